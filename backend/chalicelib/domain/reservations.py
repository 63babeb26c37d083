"""What jobs that may still spend have reserved of the budget: made at start and resume, freed at the end, and healed
from the jobs' own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.budget import Budget, Reservation, figures, refusal, standing
from chalicelib.domain.cost import CostRecord
from chalicelib.domain.errors import BudgetExceeded
from chalicelib.domain.job import ACTIVE, Job, JobStatus

# These may still spend: what they may is reserved.
HOLDING = ACTIVE | {JobStatus.QUEUED}
# A start that has reserved and not yet queued, and books that lag, are younger than this.
SETTLING = timedelta(seconds=120)


def cap_usd(job: Job) -> Decimal:
    """The most a job may cost."""
    if job.spend_cap_usd is not None:
        return job.spend_cap_usd
    return job.estimate.spend_cap_usd if job.estimate is not None else Decimal(0)


def reserve(
    budget: Budget, job: Job, lines: Sequence[CostRecord], now: datetime, *, override: bool = False
) -> Budget:
    """The budget with what the job may still spend reserved; BudgetExceeded when it does not fit.

    The same budget when it is reserved already, or when there is no limit. override: a manager's word.
    """
    wanted = _wanted(budget, job, now)
    held = _of(budget, job.id)
    if held is not None and held.released_at is None and held.amount_usd == wanted.amount_usd:
        return budget
    others = replace(budget, reservations=without_job(budget, job.id))
    present = standing(others, lines, now)
    needed = standing(replace(others, reservations=(wanted,)), lines, now).reserved_usd
    if not override and not present.fits(needed):
        raise BudgetExceeded(refusal(present, needed), figures(present, needed))
    if present.limit_usd is None:
        return budget
    return replace(others, reservations=(*others.reservations, wanted))


def _wanted(budget: Budget, job: Job, now: datetime) -> Reservation:
    """One that is still there is taken up again, so that what the books do not show yet stays counted."""
    held = _of(budget, job.id)
    before = held.spent_before_usd if held is not None else job.cost_usd or Decimal(0)
    return Reservation(job.id, max(Decimal(0), cap_usd(job) - before), before, now)


def release(budget: Budget, job_id: str, spent_usd: Decimal, now: datetime) -> Budget:
    """Frees what the job did not spend. Call it after the books are written. spent_usd: by the job, all in all."""
    held = _of(budget, job_id)
    if held is None or held.released_at is not None:
        return budget
    closed = replace(held, amount_usd=max(Decimal(0), spent_usd - held.spent_before_usd), released_at=now)
    return replace(budget, reservations=(*without_job(budget, job_id), closed))


def heal(budget: Budget, truth: Mapping[str, Job | None], now: datetime) -> Budget:
    """Reservations as the jobs' own rows say. truth: every job that may hold one, and every job that has one."""
    healed = budget
    for job_id, job in truth.items():
        holds = job is not None and job.status in HOLDING
        healed = _hold(healed, job, now) if job and holds else _let_go(healed, job_id, job, now)
    kept = tuple(
        each for each in healed.reservations if each.released_at is None or now - each.released_at < SETTLING
    )
    return healed if kept == healed.reservations else replace(healed, reservations=kept)


def _hold(budget: Budget, job: Job, now: datetime) -> Budget:
    held = _of(budget, job.id)
    before = held.spent_before_usd if held is not None else Decimal(0)
    amount = max(Decimal(0), cap_usd(job) - before)
    if held is not None and held.released_at is None and held.amount_usd == amount:
        return budget
    wanted = Reservation(job.id, amount, before, now)
    return replace(budget, reservations=(*without_job(budget, job.id), wanted))


def _let_go(budget: Budget, job_id: str, job: Job | None, now: datetime) -> Budget:
    """A start may be between its reservation and its write: a young one is left alone."""
    held = _of(budget, job_id)
    if held is None or now - held.at < SETTLING:
        return budget
    return release(budget, job_id, (job.cost_usd if job else None) or Decimal(0), now)


def _of(budget: Budget, job_id: str) -> Reservation | None:
    return next((each for each in budget.reservations if each.job_id == job_id), None)


def without_job(budget: Budget, job_id: str) -> tuple[Reservation, ...]:
    return tuple(each for each in budget.reservations if each.job_id != job_id)
