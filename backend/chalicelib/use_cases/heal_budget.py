"""Each minute: reservations as the jobs themselves say, and one alert for each threshold of the month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from chalicelib.domain.budget import Budget, Standing, month_span, standing, untold, with_told
from chalicelib.domain.job import Job
from chalicelib.domain.reservations import HOLDING, heal
from chalicelib.ports import AuditLog, BudgetStore, CostStore, JobStore, Notifier
from chalicelib.use_cases.again import again


def heal_budget(
    *,
    budgets: BudgetStore,
    costs: CostStore,
    jobs: JobStore,
    notifier: Notifier,
    audit: AuditLog,
    now: datetime,
) -> Standing:
    """The month as it stands. A reservation whose job is gone, ended, paused or was never queued is freed; a job that may
    spend and has none gets one, for example when the first limit is set."""

    def once() -> tuple[Budget, Standing, tuple[int, ...]]:
        before = budgets.get()
        truth = _truth(before, jobs)
        found = standing(before, costs.between(*month_span(now)), now)
        news = untold(before, found)
        after = heal(before, truth, now)
        after = with_told(after, found, news) if news else after
        saved = before if after is before else budgets.save(after, expected=before)
        return saved, found, news

    _, found, news = again(once)
    for percent in news:
        _alert(found, percent, notifier, audit, now)
    return found


def _truth(budget: Budget, jobs: JobStore) -> Mapping[str, Job | None]:
    """Jobs that may hold a reservation, by the index; those that have one and are not among them, by their own rows."""
    truth: dict[str, Job | None] = {
        job.id: job for status in sorted(HOLDING) for job in jobs.by_status(status.value)
    }
    for reservation in budget.reservations:
        if reservation.released_at is None and reservation.job_id not in truth:
            truth[reservation.job_id] = jobs.get(reservation.job_id)
    return truth


def _alert(found: Standing, percent: int, notifier: Notifier, audit: AuditLog, now: datetime) -> None:
    limit, spent = found.limit_usd, found.month_to_date_usd
    notifier.alert_operations(
        subject=f"Budget: {percent}% of {found.month} is used",
        text=f"${spent:.2f} of ${limit:.2f} is spent and ${found.reserved_usd:.2f} more is reserved by jobs that may "
        f"still spend. See GET /api/budget.",
    )
    audit.record(
        at=now,
        actor_id="system",
        action="budget.warning",
        subject="budget",
        details={"month": found.month, "percent": percent, "spent_usd": str(spent), "limit_usd": str(limit)},
    )
