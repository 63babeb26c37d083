"""Pauses of a job as the API shows them: what a resume goes on from, and active time apart from paused time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain import pace
from chalicelib.domain.cost import START_UP_SECONDS
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.pause import KEPT_DAYS, active_seconds, kept_until, paused_seconds
from chalicelib.domain.progress import Progress
from chalicelib.views_catalog import iso, usd


def times_json(job: Job, now: datetime) -> dict[str, Any]:
    """Seconds since the first start; all 0 before it."""
    if job.started_at is None:
        return {"active_seconds": 0, "paused_seconds": 0, "elapsed_seconds": 0}
    until = job.ended_at or now
    elapsed = max(0.0, (until - job.started_at).total_seconds())
    paused = min(elapsed, paused_seconds(job.pauses, until))
    return {
        "active_seconds": round(active_seconds(job.started_at, job.pauses, until)),
        "paused_seconds": round(paused),
        "elapsed_seconds": round(elapsed),
    }


def pause_json(job: Job, row: Progress, kept_days: int = KEPT_DAYS) -> dict[str, Any] | None:
    """The present pause; None for a job that is neither paused nor pausing."""
    if job.status not in {JobStatus.PAUSING, JobStatus.PAUSED} or not job.pauses:
        return None
    pause = job.pauses[-1]
    until = kept_until(pause, kept_days)
    return {
        "asked_at": iso(pause.asked_at),
        "asked_by": pause.asked_by.name,
        "paused_at": iso(pause.paused_at) if pause.paused_at else None,
        "step": pause.step,
        "own_checkpoint": pause.own_checkpoint,
        "checkpoint_size_bytes": job.checkpoint.size_bytes if job.checkpoint else None,
        "kept_until": iso(until) if until else None,
        "resume": _remaining(job, row),
    }


def _remaining(job: Job, row: Progress) -> dict[str, Any]:
    """What is left, at the pace and rate the job had. None where that is not known."""
    total = pace.total_steps(job, row)
    step = job.checkpoint.step if job.checkpoint else 0
    left = max(0, total - step)
    hourly = pace.steps_per_hour(row)
    hours = None if not hourly else left / hourly + START_UP_SECONDS / 3600
    rate = row.money.rate_usd_per_hour if row.money else None
    return {
        "from_step": step,
        "percent": round(100 * step / total, 1) if total else 0.0,
        "steps_left": left,
        "hours_left": None if hours is None else round(hours, 2),
        "additional_cost_usd": None
        if hours is None or rate is None
        else usd(rate * Decimal(str(round(hours, 4)))),
    }


def history_json(job: Job) -> list[dict[str, Any]]:
    """Started, paused, resumed, ended, each with the seconds of what it ended: active before a pause or the end,
    paused before a resume."""
    if job.started_at is None:
        return []
    found = [{"what": "started", "at": iso(job.started_at), "seconds": None}]
    since = job.started_at
    for pause in job.pauses:
        if pause.paused_at is None:
            break
        found.append(_moment("paused", pause.paused_at, since))
        since = pause.paused_at
        if pause.resumed_at is None:
            break
        found.append(_moment("resumed", pause.resumed_at, since))
        since = pause.over_at or pause.resumed_at
    if job.ended_at is not None:
        found.append(_moment(job.status.value, job.ended_at, since))
    return found


def _moment(what: str, at: datetime, since: datetime) -> dict[str, Any]:
    return {"what": what, "at": iso(at), "seconds": round(max(0.0, (at - since).total_seconds()))}
