"""Who starts next: slots, the queue's order, and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.job import Job, JobStatus

DEFAULT_LIMIT = 3
LIMITS = (1, 10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND_ALL_TIME = 10**18


@dataclass(frozen=True, slots=True)
class Slots:
    """Ids of the jobs that hold a slot. Changed only in one transaction with the job."""

    holders: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    version: int = 0

    @property
    def free(self) -> int:
        return max(0, self.limit - len(self.holders))


def take(slots: Slots, job_id: str) -> Slots | None:
    """With the job as holder, or None when every slot is taken. Taking twice takes once."""
    if job_id in slots.holders:
        return slots
    return replace(slots, holders=(*slots.holders, job_id)) if slots.free else None


def release(slots: Slots, job_id: str) -> Slots:
    return replace(slots, holders=tuple(holder for holder in slots.holders if holder != job_id))


def waiting_since(job: Job) -> datetime:
    return job.queued_at or job.created_at


def is_promoted(job: Job) -> bool:
    """A promotion is for one wait: a job that is paused and comes back later queues like any other."""
    return job.promoted_at is not None and job.promoted_at >= waiting_since(job)


def may_be_reconfigured(job: Job) -> bool:
    """Until it gets a slot, and only while nothing of it was trained."""
    return job.status is JobStatus.QUEUED and job.started_at is None


def queue_key(job: Job) -> str:
    """The queue's order as text: promoted jobs first, the latest promotion before all; then first come, first served,
    ties by id. An index over it and a list sorted by it agree."""
    line = f"{waiting_since(job).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{job.id}"
    if job.promoted_at is None or not is_promoted(job):
        return line
    # "!" sorts before every digit, and a later time makes a smaller number.
    return f"!{_BEYOND_ALL_TIME - (job.promoted_at - _EPOCH) // timedelta(microseconds=1):018d}#{line}"


def next_in_line(queued: Sequence[Job], now: datetime) -> Job | None:
    """The first by `queue_key`; jobs waiting for capacity are passed over until their time."""
    ready = [
        job
        for job in queued
        if job.status is JobStatus.QUEUED and (job.not_before is None or job.not_before <= now)
    ]
    return min(ready, key=queue_key, default=None)


def position(queued: Sequence[Job], job_id: str) -> int | None:
    """1 is next; None for a job that does not wait."""
    ids = [job.id for job in sorted(queued, key=queue_key) if job.status is JobStatus.QUEUED]
    return ids.index(job_id) + 1 if job_id in ids else None


def promote(job: Job, promoted_at: datetime, now: datetime) -> Job:
    """Before all that wait. The same promotion again changes nothing. WrongStatus when the job waits no more."""
    if job.status is not JobStatus.QUEUED:
        raise WrongStatus("The job has left the queue.", {"status": job.status.value})
    if job.promoted_at is not None and job.promoted_at >= promoted_at:
        return job
    return replace(job, promoted_at=promoted_at, changed_at=now)
