"""Pausing and resuming a job: when it makes sense, and what becomes of the job."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain import job as transitions
from chalicelib.domain.configuration import GpuChoice
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.job import Job, JobStatus, Stage
from chalicelib.domain.pause import Pause, kept_until
from chalicelib.domain.person import Person

_NOT_BEGUN = frozenset({JobStatus.PENDING_CONFIGURATION, JobStatus.QUEUED, JobStatus.PROVISIONING})
WARNED_BEFORE = timedelta(days=3)


def refusal(job: Job) -> str | None:
    """Why pausing makes no sense now; None when it does: in training, and wherever there is a checkpoint to come
    back to."""
    if job.status in _NOT_BEGUN:
        return "The job has not begun to train, so there is nothing to keep: cancel it instead."
    if job.status in {JobStatus.PAUSING, JobStatus.PAUSED}:
        return f"The job is {job.status.value} already."
    if job.status not in {JobStatus.RUNNING, JobStatus.RECOVERING}:
        return f"A job that is {job.status.value} cannot be paused."
    if job.stage is Stage.FINALIZATION:
        return "Training is done and the result is being stored. Cancel the job if it must stop now."
    if job.stage is not Stage.TRAINING and job.checkpoint is None:
        return "There is no checkpoint to come back to yet. Pausing is possible once training runs."
    return None


def request_pause(job: Job, by: Person, now: datetime) -> Job:
    """The intent, durable before anything is ended."""
    why_not = refusal(job)
    if why_not is not None:
        raise WrongStatus(why_not, {"status": job.status.value})
    return replace(job, status=JobStatus.PAUSING, pauses=(*job.pauses, Pause(now, by)), changed_at=now)


def settle(job: Job, now: datetime) -> Job:
    """No GPU is left. The newest verified checkpoint is what it goes on from, its own or the one before."""
    pauses = job.pauses
    if pauses:
        newest = job.checkpoint
        own = newest is not None and newest.reason == "pause" and newest.at >= pauses[-1].asked_at
        step = None if newest is None else newest.step
        pauses = (*pauses[:-1], replace(pauses[-1], paused_at=now, step=step, own_checkpoint=own))
    return replace(job, status=JobStatus.PAUSED, pauses=pauses, ending=None, changed_at=now)


def resume(
    job: Job, gpu: GpuChoice, spend_cap_usd: Decimal | None, by: Person, kept_days: int, now: datetime
) -> Job:
    """Back into the queue, behind those who wait already; what was lost before counts no more against it."""
    if job.status is not JobStatus.PAUSED:
        raise WrongStatus(
            f"Only a paused job can be resumed; this one is {job.status.value.replace('_', ' ')}.",
            {"status": job.status.value},
        )
    if job.cleanup_pending:
        # Its attempt is still open: the next run would move into a pod that is about to be ended.
        raise WrongStatus(
            "The GPU of the paused run is still being ended. Resume the job in a minute.",
            {"status": job.status.value},
        )
    if is_over(job, kept_days, now):
        raise WrongStatus(
            f"The job was paused for more than {kept_days} days; its checkpoint is no longer kept.",
            {"status": job.status.value},
        )
    pauses = job.pauses
    if pauses:
        pauses = (*pauses[:-1], replace(pauses[-1], resumed_at=now, resumed_by=by))
    return replace(
        job,
        status=JobStatus.QUEUED,
        configuration=replace(job.configuration, gpu=gpu),
        spend_cap_usd=spend_cap_usd,
        pauses=pauses,
        recoveries=0,
        capacity_misses=0,
        stage=None,
        queued_at=now,
        not_before=None,
        changed_at=now,
    )


def is_over(job: Job, kept_days: int, now: datetime) -> bool:
    """Its checkpoint has been kept as long as was promised, or it was given up already."""
    if job.status is not JobStatus.PAUSED or not job.pauses:
        return False
    until = kept_until(job.pauses[-1], kept_days)
    return job.pauses[-1].expired_at is not None or (until is not None and now >= until)


def is_nearly_over(job: Job, kept_days: int, now: datetime) -> bool:
    return is_over(job, kept_days, now + WARNED_BEFORE)


def give_up(job: Job, kept_days: int, now: datetime) -> Job:
    """Its checkpoints are about to be removed, so it can be resumed no more, whatever becomes of the rest. A job that was
    resumed meanwhile, or given up before, stays as it is."""
    if not is_over(job, kept_days, now) or job.pauses[-1].expired_at is not None:
        return job
    return replace(
        job,
        pauses=(*job.pauses[:-1], replace(job.pauses[-1], expired_at=now)),
        checkpoint=None,
        earlier_checkpoints=(),
        changed_at=now,
    )


def expire(job: Job) -> Job:
    """The end of a job that was given up, at that moment. Any other stays as it is."""
    at = job.pauses[-1].expired_at if job.pauses else None
    if job.status is not JobStatus.PAUSED or at is None:
        return job
    return transitions.end(job, EndReason.PAUSE_EXPIRED, "", job.cost_usd or Decimal(0), at)
