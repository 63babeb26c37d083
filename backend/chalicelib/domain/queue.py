"""Who starts next: slots, the queue's order, and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.job import Job, JobStatus

DEFAULT_LIMIT = 3


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


def next_in_line(queued: Sequence[Job], now: datetime) -> Job | None:
    """First come, first served, ties by id; jobs waiting for capacity are passed over until their time."""
    ready = [
        job
        for job in queued
        if job.status is JobStatus.QUEUED and (job.not_before is None or job.not_before <= now)
    ]
    return min(ready, key=lambda job: (job.queued_at or job.created_at, job.id), default=None)
