"""Reserves what a job may still spend, before it is started or resumed. Two that only fit once never both pass: the
books are read after the budget's row, and the row is written only if nobody wrote it since."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.budget import Budget, month_span
from chalicelib.domain.job import Job
from chalicelib.domain.reservations import reserve
from chalicelib.ports import BudgetStore, CostStore
from chalicelib.use_cases.again import again

# As many may start at once: each lost race means that another one was served.
_TRIES = 60


def reserve_budget(
    job: Job, *, budgets: BudgetStore, costs: CostStore, now: datetime, override: bool = False
) -> Budget:
    """BudgetExceeded when the job's cap, less what it has cost already, does not fit this month's budget.

    Reserving twice reserves once. Nothing is refused without a limit. A reservation whose job is not started after all is
    taken back by the sweeper (`heal_budget`), so a caller that fails afterwards need not.
    """

    def once() -> Budget:
        before = budgets.get()
        lines = costs.between(*month_span(now))
        after = reserve(before, job, lines, now, override=override)
        return before if after is before else budgets.save(after, expected=before)

    return again(once, _TRIES)
