"""Two starts that only fit once never both pass: real threads, on the fakes and on the table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain.budget import Budget, Limit, Reservation, month_span, standing
from chalicelib.domain.errors import BudgetExceeded, StaleWrite
from chalicelib.use_cases.release_budget import release_budget
from chalicelib.use_cases.reserve_budget import reserve_budget

from tests.builders import a_job
from tests.fakes import START

Store = Callable[[str], Any]


def test_the_budget_is_empty_before_it_was_saved_and_comes_back_equal(store: Store) -> None:
    budgets = store("budgets")
    empty = budgets.get()
    assert empty == Budget()
    made = Budget(
        (Limit("2026-11", Decimal("500.00")), Limit("2027-01", None)),
        Decimal("12.5"),
        (Reservation("job_0000000000000001", Decimal("4.2"), Decimal("0.8"), START, START),),
        ("2026-11 80",),
    )
    saved = budgets.save(made, expected=empty)
    assert budgets.get() == saved == replace(made, version=1)
    with pytest.raises(StaleWrite):
        budgets.save(made, expected=empty)
    assert budgets.save(replace(saved, told=()), expected=saved).version == 2


class Gate:
    """Books that every thread reads at the same moment, the first time: after the budget's row, before any write."""

    def __init__(self, costs: Any, threads: int) -> None:
        self._costs, self._together, self._mine = costs, threading.Barrier(threads), threading.local()

    def between(self, start: datetime, end: datetime) -> Any:
        found = self._costs.between(start, end)
        if not getattr(self._mine, "passed", False):
            self._mine.passed = True
            self._together.wait(timeout=30)
        return found


class OneStep:
    """The budget's row. The table compares and writes in one step; the in-process stand-in for it does so in two."""

    def __init__(self, budgets: Any) -> None:
        self._budgets, self._lock = budgets, threading.Lock()

    def get(self) -> Budget:
        found: Budget = self._budgets.get()
        return found

    def save(self, after: Budget, *, expected: Budget) -> Budget:
        with self._lock:
            saved: Budget = self._budgets.save(after, expected=expected)
            return saved


@pytest.mark.parametrize(("threads", "limit", "fitting", "rounds"), [(2, "9.99", 1, 4), (6, "15.00", 3, 1)])
def test_starts_at_the_same_moment_pass_only_as_far_as_the_budget_reaches(
    store: Store, threads: int, limit: str, fitting: int, rounds: int
) -> None:
    budgets, costs = OneStep(store("budgets")), store("costs")
    budgets.save(Budget((Limit("2026-11", Decimal(limit)),), Decimal(0)), expected=budgets.get())
    for round_number in range(rounds):
        jobs = [a_job(100 * round_number + number) for number in range(1, threads + 1)]
        outcomes: dict[str, bool] = {}
        gate = Gate(costs, threads)

        def start(job: Any, outcomes: dict[str, bool] = outcomes, gate: Any = gate) -> None:
            try:
                reserve_budget(job, budgets=budgets, costs=gate, now=START)
                outcomes[job.id] = True
            except BudgetExceeded:
                outcomes[job.id] = False

        running = [threading.Thread(target=start, args=(job,)) for job in jobs]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert sum(outcomes.values()) == fitting, outcomes
        assert len(outcomes) == threads
        held = standing(budgets.get(), costs.between(*month_span(START)), START)
        assert held.reserved.keys() == {job_id for job_id, passed in outcomes.items() if passed}
        for job in jobs:
            release_budget(job, budgets=budgets, now=START)
        assert standing(budgets.get(), [], START).reserved_usd == 0
