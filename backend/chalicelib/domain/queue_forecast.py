"""When each waiting job will start: the slots simulated over what the active jobs still have to do.

A forecast, not a promise. It assumes that nobody cancels, that no run is faster or slower than it seems now, and that
every GPU takes five minutes to come.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.pace import remaining_seconds, total_steps
from chalicelib.domain.progress import Progress

PROVISIONING = timedelta(minutes=5)
# A pod that is told to go holds its slot until the provider no longer bills it.
_ENDING = timedelta(minutes=2)
# A run that has outlasted what was expected of it is not about to end at this very moment.
_LEAST = timedelta(minutes=1)
# Only jobs that were queued without an estimate; the start of a job makes one.
_UNKNOWN = timedelta(hours=1)


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Waiting:
    """In the queue's order. holds: how long it will keep its slot once a GPU is there."""

    job_id: str
    holds: timedelta
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """starts_at: slot and GPU are there. waits_for: so many jobs must leave a slot first."""

    job_id: str
    position: int
    starts_at: datetime
    waits_for: int

    @property
    def confidence(self) -> Confidence:
        """High when nobody has to end first, medium up to two, low from three on: errors add up."""
        if self.waits_for == 0:
            return Confidence.HIGH
        return Confidence.MEDIUM if self.waits_for <= 2 else Confidence.LOW


@dataclass(frozen=True, slots=True)
class Forecast:
    """newcomer: the turn of a job that would be queued now. next_slot_at: when a slot is free, whoever takes it."""

    turns: tuple[Turn, ...]
    newcomer: Turn
    next_slot_at: datetime

    def of(self, job_id: str) -> Turn | None:
        return next((turn for turn in self.turns if turn.job_id == job_id), None)

    @property
    def clears_at(self) -> datetime | None:
        """When the last of those who wait now will have started; None for an empty queue."""
        return self.turns[-1].starts_at if self.turns else None


def forecast(
    now: datetime, limit: int, busy_until: Sequence[datetime], waiting: Sequence[Waiting]
) -> Forecast:
    """busy_until: one entry per held slot, of which there may be more than `limit` after it was lowered.

    Starts are in the order of positions: a job that must not start before some time holds up those behind it here,
    though the dispatcher would pass it over. It waits a minute, so the error is no more than that.
    """
    ends = sorted(max(now, end) for end in busy_until)
    free = limit - len(ends)
    # Above the limit, the first ends free no slot.
    slots = [*ends[max(0, -free) :], *[now] * free]
    heapq.heapify(slots)
    next_slot_at = slots[0]
    turns = []
    earliest = now
    for position, each in enumerate([*waiting, Waiting("", timedelta())], start=1):
        earliest = max(earliest, heapq.heappop(slots), each.not_before or now)
        starts_at = earliest + PROVISIONING
        heapq.heappush(slots, starts_at + max(timedelta(), each.holds))
        turns.append(Turn(each.job_id, position, starts_at, max(0, position - free)))
    return Forecast(tuple(turns[:-1]), turns[-1], next_slot_at)


def still_holds(job: Job, row: Progress, now: datetime) -> timedelta:
    """How long an active job will keep its slot: steps left at its pace, else what is left of its estimate."""
    if job.status in {JobStatus.CANCELLING, JobStatus.PAUSING}:
        return _ENDING
    at_pace = remaining_seconds(job, row)
    if at_pace is not None and job.status is JobStatus.RUNNING:
        return timedelta(seconds=at_pace)
    if job.status is JobStatus.RUNNING and row.step:
        return max(_LEAST, _share_left(row.step, total_steps(job, row)) * _expected(job))
    left = PROVISIONING + will_hold(job)
    if job.status is JobStatus.RECOVERING or job.claimed_at is None:
        return left
    return max(_LEAST, left - (now - job.claimed_at))


def will_hold(job: Job) -> timedelta:
    """How long a waiting job will train: the whole of its estimate, or what its newest checkpoint has left of it."""
    total = job.estimate.total_steps if job.estimate else 0
    return _share_left(job.checkpoint.step if job.checkpoint else 0, total) * _expected(job)


def as_waiting(job: Job) -> Waiting:
    return Waiting(job.id, will_hold(job), job.not_before)


def _expected(job: Job) -> timedelta:
    return timedelta(hours=job.estimate.duration_hours.expected) if job.estimate else _UNKNOWN


def _share_left(step: int, total: int) -> float:
    return max(0.0, 1 - step / total) if total else 1.0


@dataclass(frozen=True, slots=True)
class Impact:
    """What a promotion does to the others. delay: the mean over those who start later."""

    position: int
    delayed_jobs: int
    delay: timedelta


def impact(
    now: datetime, limit: int, busy_until: Sequence[datetime], waiting: Sequence[Waiting], job_id: str
) -> Impact | None:
    """Of moving this job to the front; None when it does not wait."""
    ids = [each.job_id for each in waiting]
    if job_id not in ids:
        return None
    index = ids.index(job_id)
    moved = [waiting[index], *waiting[:index], *waiting[index + 1 :]]
    before = {turn.job_id: turn.starts_at for turn in forecast(now, limit, busy_until, waiting).turns}
    after = {turn.job_id: turn.starts_at for turn in forecast(now, limit, busy_until, moved).turns}
    delays = [after[each] - before[each] for each in ids[:index]]
    return Impact(index + 1, index, sum(delays, timedelta()) / index if index else timedelta())
