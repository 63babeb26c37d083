"""How this month's budget stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.budget import Standing, month_span, standing
from chalicelib.domain.reservations import without_job
from chalicelib.ports import BudgetStore, CostStore


def read_budget(
    *, budgets: BudgetStore, costs: CostStore, now: datetime, without: str | None = None
) -> Standing:
    """without: a job whose own reservation is left out."""
    budget = budgets.get()
    if without is not None:
        budget = replace(budget, reservations=without_job(budget, without))
    return standing(budget, costs.between(*month_span(now)), now)
