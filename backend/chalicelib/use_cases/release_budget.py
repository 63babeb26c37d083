"""Frees what an ended or paused job did not spend of its reservation."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from chalicelib.domain.budget import Budget
from chalicelib.domain.job import Job
from chalicelib.domain.reservations import release
from chalicelib.ports import BudgetStore
from chalicelib.use_cases.again import again

_TRIES = 60


def release_budget(job: Job, *, budgets: BudgetStore, now: datetime) -> Budget:
    """Call it after the job's books are written: the other way round a moment would count too little. Twice is once."""

    def once() -> Budget:
        before = budgets.get()
        after = release(before, job.id, job.cost_usd or Decimal(0), now)
        return before if after is before else budgets.save(after, expected=before)

    return again(once, _TRIES)
