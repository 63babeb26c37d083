"""The money of one job as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib import views_stages
from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.job import Job
from chalicelib.domain.progress import Money, Progress
from chalicelib.views_catalog import usd


def cost_json(job: Job, attempts: Sequence[Attempt], row: Progress, now: datetime) -> dict[str, Any]:
    """Money of the job: Σ pod lifetimes × the pods' own rates; provisional until the provider's bill is known."""
    spent = sum((attempt.cost_usd(now) for attempt in attempts), Decimal(0))
    live = [attempt for attempt in attempts if attempt.status is AttemptStatus.LIVE]
    estimate = job.estimate
    high = estimate.cost_usd.high if estimate else None
    rate = live[-1].rate_usd_per_hour if live else (estimate.hourly_rate_usd if estimate else Decimal(0))
    remaining = views_stages.progress_json(job, row, now)["remaining_seconds"]
    projected = None
    if remaining is not None and live:
        projected = usd(spent + rate * Decimal(remaining) / 3600)
    share = float(spent / high * 100) if high else 0.0
    return {
        "spent_usd": small(spent),
        "estimated_low_usd": usd(estimate.cost_usd.low) if estimate else None,
        "estimated_high_usd": usd(high) if high is not None else None,
        "spend_cap_usd": usd(job.spend_cap_usd) if job.spend_cap_usd is not None else None,
        "projected_usd": projected,
        "hourly_rate_usd": str(rate),
        "tier": (live[-1].tier if live else job.configuration.gpu.tier).value,
        "percent_of_estimate": round(share, 1),
        "provisional": any(attempt.billed_usd is None for attempt in attempts),
        "accruing": bool(live),
        "cleanup_pending": job.cleanup_pending,
        "reserve": _reserve(row.money),
        "level": "over" if share > 100 else "near" if share >= 80 else "ok",
    }


def _reserve(money: Money | None) -> dict[str, Any] | None:
    """What is kept back of the cap for a good ending; null until a GPU was rented."""
    if money is None:
        return None
    return {
        "usd": usd(money.reserve_usd),
        "seconds": money.reserve_seconds,
        "measured_from_jobs": money.measured_from_jobs,
    }


def small(amount: Decimal) -> str:
    """Cents; below ten cents four places, so that a short run does not read as free."""
    return usd(amount) if amount >= Decimal("0.1") or amount == 0 else str(amount.quantize(Decimal("0.0001")))
