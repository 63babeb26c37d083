"""What happened in the queue: events read off the jobs themselves, days added up from events, statistics from days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import fmean

from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.queue import waiting_since

ADDED, STARTED, RETURNED, REMOVED, PROMOTED = "added", "started", "returned", "removed", "promoted"
# A wait of this length or more is one whose reason is worth knowing.
LONG_WAIT_SECONDS = 15 * 60
WAIT_DAYS = 30
THROUGHPUT_DAYS = 7
TREND_DAYS = 7
_LEAST_FOR_A_TREND = 3
_STEADY = 0.1
# Why a claimed job came back into the queue, by `Job.held_by`.
_HELD_BY = {
    "capacity": "No GPU was available.",
    "account": "The provider's account could not be used.",
}


@dataclass(frozen=True, slots=True)
class QueueEvent:
    """One fact. wait_seconds: of `started` and `removed`; short_of: what a `started` one waited for, `gpu` or `slot`."""

    at: datetime
    kind: str
    job_id: str
    job_name: str
    person: str | None = None
    wait_seconds: float | None = None
    short_of: str | None = None
    old_position: int | None = None
    new_position: int | None = None
    reason: str | None = None

    @property
    def key(self) -> str:
        """Sorts by time; the same fact seen twice has the same key."""
        return f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{self.kind}#{self.job_id}"

    @property
    def month(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m}"

    @property
    def day(self) -> date:
        return self.at.astimezone(UTC).date()


def events_of(job: Job) -> tuple[QueueEvent, ...]:
    """What the job's row says of its present or last wait.

    A claim counts as a start only once the GPU is there: until then the job may come back for want of one, and its wait
    goes on.
    """
    since = job.queued_at
    if since is None:
        return ()
    found = [QueueEvent(since, ADDED, job.id, job.name, job.created_by.name)]
    claimed_at = job.claimed_at if job.claimed_at is not None and job.claimed_at >= since else None
    if _was_removed(job, claimed_at):
        if job.ended_at is not None:
            found.append(_removal(job, job.ended_at))
    elif claimed_at is not None and job.status is JobStatus.QUEUED:
        reason = _HELD_BY.get(job.held_by or "", _HELD_BY["capacity"])
        found.append(QueueEvent(claimed_at, RETURNED, job.id, job.name, reason=reason))
    elif claimed_at is not None and job.status is not JobStatus.PROVISIONING:
        short_of = "gpu" if job.capacity_misses else "slot"
        waited = (claimed_at - since).total_seconds()
        found.append(
            QueueEvent(claimed_at, STARTED, job.id, job.name, wait_seconds=waited, short_of=short_of)
        )
    return tuple(found)


def _was_removed(job: Job, claimed_at: datetime | None) -> bool:
    """Cancelled while it waited, or given up for want of a GPU."""
    if job.end_reason is EndReason.NO_CAPACITY:
        return True
    came_back = job.ending is None and job.started_at is None
    return job.status is JobStatus.CANCELLED and (claimed_at is None or came_back)


def _removal(job: Job, at: datetime) -> QueueEvent:
    by = job.cancellation.requested_by.name if job.cancellation else None
    waited = (at - waiting_since(job)).total_seconds()
    return QueueEvent(at, REMOVED, job.id, job.name, by, wait_seconds=waited, reason=job.end_sentence or None)


@dataclass(frozen=True, slots=True)
class Day:
    """What one UTC day added up to. short_of: starts after a long wait, by what they waited for."""

    added: int = 0
    started: int = 0
    returned: int = 0
    removed: int = 0
    promoted: int = 0
    wait_seconds: float = 0.0
    longest_wait_seconds: float = 0.0
    short_of_slot: int = 0
    short_of_gpu: int = 0

    @property
    def average_wait_seconds(self) -> float | None:
        return self.wait_seconds / self.started if self.started else None


def add_up(events: Iterable[QueueEvent]) -> Day:
    """events: of one day, in any order, each once."""
    known = list(events)
    count = {
        kind: sum(event.kind == kind for event in known) for kind in (ADDED, RETURNED, REMOVED, PROMOTED)
    }
    starts = [event for event in known if event.kind == STARTED]
    waits = [event.wait_seconds or 0.0 for event in starts]
    long = [event.short_of for event in starts if (event.wait_seconds or 0.0) >= LONG_WAIT_SECONDS]
    return Day(
        added=count[ADDED],
        started=len(starts),
        returned=count[RETURNED],
        removed=count[REMOVED],
        promoted=count[PROMOTED],
        wait_seconds=sum(waits),
        longest_wait_seconds=max(waits, default=0.0),
        short_of_slot=long.count("slot"),
        short_of_gpu=long.count("gpu"),
    )


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of starts only. None where nothing has started yet. trend: increasing, decreasing or steady."""

    average_wait_seconds: float | None
    starts: int
    starts_per_day: float
    longest_wait_seconds: float | None
    trend: str | None


def statistics(days: Mapping[date, Day], longest_wait_seconds: float | None, today: date) -> Statistics:
    """Days count back from today, which is still under way."""
    month = _last(days, today, WAIT_DAYS)
    starts = sum(day.started for day in month)
    waited = sum(day.wait_seconds for day in month)
    week = sum(day.started for day in _last(days, today, THROUGHPUT_DAYS))
    return Statistics(
        average_wait_seconds=waited / starts if starts else None,
        starts=starts,
        starts_per_day=week / THROUGHPUT_DAYS,
        longest_wait_seconds=longest_wait_seconds,
        trend=_trend(days, today),
    )


def _last(days: Mapping[date, Day], today: date, count: int) -> list[Day]:
    wanted = (today - timedelta(days=back) for back in range(count))
    return [days[day] for day in wanted if day in days]


def _trend(days: Mapping[date, Day], today: date) -> str | None:
    """The mean wait of the last seven days against that of the seven before; a tenth of difference is none."""
    now = _last(days, today, TREND_DAYS)
    before = _last(days, today - timedelta(days=TREND_DAYS), TREND_DAYS)
    if any(sum(day.started for day in week) < _LEAST_FOR_A_TREND for week in (now, before)):
        return None
    recent, earlier = (_mean_wait(week) for week in (now, before))
    if abs(recent - earlier) <= _STEADY * earlier:
        return "steady"
    return "increasing" if recent > earlier else "decreasing"


def _mean_wait(week: list[Day]) -> float:
    waits = [(day.average_wait_seconds or 0.0, day.started) for day in week if day.started]
    return fmean([wait for wait, _ in waits], [count for _, count in waits])


def bottleneck(days: Iterable[Day]) -> tuple[str, float, int] | None:
    """(`slot` or `gpu`, its share 0..1, number of long waits): what jobs that waited long waited for mostly."""
    known = list(days)
    slot, gpu = sum(day.short_of_slot for day in known), sum(day.short_of_gpu for day in known)
    total = slot + gpu
    if not total:
        return None
    return ("slot", slot / total, total) if slot >= gpu else ("gpu", gpu / total, total)
