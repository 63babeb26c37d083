"""The queue as it is now: who holds a slot, who waits, and when each is expected to start.

Reads the slots row, one row of job and of progress per held slot (ten at most), and the waiting jobs by index.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.progress import Progress
from chalicelib.domain.queue import queue_key
from chalicelib.domain.queue_forecast import (
    Forecast,
    Impact,
    as_waiting,
    forecast,
    impact,
    still_holds,
)
from chalicelib.ports import JobStore, ProgressStore


@dataclass(frozen=True, slots=True)
class Held:
    """A slot in use. ends_at: when it is expected to be free again."""

    job: Job
    row: Progress
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class QueueNow:
    """waiting: in the queue's order, as `forecast.turns` is."""

    at: datetime
    limit: int
    held: tuple[Held, ...]
    waiting: tuple[Job, ...]
    forecast: Forecast

    def position(self, job_id: str) -> int | None:
        turn = self.forecast.of(job_id)
        return None if turn is None else turn.position

    def impact(self, job_id: str) -> Impact | None:
        """Of moving the job to the front."""
        ends = [each.ends_at for each in self.held]
        return impact(self.at, self.limit, ends, [as_waiting(job) for job in self.waiting], job_id)

    def with_first(self, job_id: str) -> QueueNow:
        """As it will be once this job was moved to the front; the index may take a moment to say so."""
        waiting = tuple(sorted(self.waiting, key=lambda job: job.id != job_id))
        ends = [each.ends_at for each in self.held]
        made = forecast(self.at, self.limit, ends, [as_waiting(job) for job in waiting])
        return replace(self, waiting=waiting, forecast=made)

    def wait(self, job_id: str) -> timedelta | None:
        turn = self.forecast.of(job_id)
        return None if turn is None else turn.starts_at - self.at


def read_queue(*, jobs: JobStore, progress: ProgressStore, limit: int, now: datetime) -> QueueNow:
    holders = jobs.slots().holders
    held = []
    for job in filter(None, map(jobs.get, holders)):
        row = progress.get(job.id) or Progress(job.id)
        held.append(Held(job, row, now + still_holds(job, row, now)))
    # The index may lag behind: a job that holds a slot does not wait, whatever it says.
    queued = [
        job
        for job in jobs.by_status(JobStatus.QUEUED.value)
        if job.status is JobStatus.QUEUED and job.id not in holders
    ]
    waiting = tuple(sorted(queued, key=queue_key))
    made = forecast(now, limit, [each.ends_at for each in held], [as_waiting(job) for job in waiting])
    return QueueNow(now, limit, tuple(held), waiting, made)
