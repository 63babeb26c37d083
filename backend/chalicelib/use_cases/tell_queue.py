"""Tells who wants to know that a job is third, is next, or gets its GPU. After every dispatch, and each minute again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chalicelib.domain import news
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.notification import Notification
from chalicelib.domain.person import Person
from chalicelib.domain.queue_news import (
    NEAR_POSITIONS,
    PROVISIONING,
    due,
    listeners,
    message,
    noted,
    told_at,
)
from chalicelib.ports import JobStore, ProgressStore
from chalicelib.use_cases.again import change_job
from chalicelib.use_cases.read_queue import QueueNow, read_queue

# deliver(notification, to, job, watching)
Deliver = Callable[[Notification, Person, Job, bool], object]
# What was noted and whose telling may have been lost is told again for as long as this.
_TELL_AGAIN_FOR = timedelta(minutes=10)


def tell_queue(
    *,
    jobs: JobStore,
    progress: ProgressStore,
    limit: int,
    started: Sequence[str],
    again: bool,
    deliver: Deliver,
    now: datetime,
) -> None:
    """started: jobs that were claimed just now. again: also tell what was noted a few minutes ago, in case the process
    that noted it died before it told."""
    for job in filter(None, map(jobs.get, started)):
        _tell(PROVISIONING, job, 0, None, deliver)
    if again:
        for job in jobs.by_status(JobStatus.PROVISIONING.value):
            if _is_recent(job, PROVISIONING, now):
                _tell(PROVISIONING, job, 0, None, deliver)
    queue: QueueNow | None = None
    for position, job in enumerate(jobs.by_status(JobStatus.QUEUED.value, max(NEAR_POSITIONS)), start=1):
        kind = due(position)
        if kind is None:
            continue
        was_noted = told_at(job, kind) is not None
        if was_noted and not (again and _is_recent(job, kind, now)):
            continue
        fresh = job if was_noted else _note(jobs, job, kind, now)
        if told_at(fresh, kind) is None:
            continue
        queue = queue or read_queue(jobs=jobs, progress=progress, limit=limit, now=now)
        _tell(kind, fresh, position, queue.wait(job.id), deliver)


def _note(jobs: JobStore, job: Job, kind: str, now: datetime) -> Job:
    """Noted, unless it has left the queue: the index may lag behind."""

    def change(before: Job) -> Job:
        return noted(before, kind, now) if before.status is JobStatus.QUEUED else before

    return change_job(jobs, job.id, change)


def _is_recent(job: Job, kind: str, now: datetime) -> bool:
    at = told_at(job, kind)
    return at is not None and now - at <= _TELL_AGAIN_FOR


def _tell(kind: str, job: Job, position: int, wait: timedelta | None, deliver: Deliver) -> None:
    at = told_at(job, kind)
    if at is None:
        return
    text = message(kind, job, position, wait)
    link = f"/training-jobs/{job.id}"
    for person, watching in listeners(job):
        told = news.note(kind, to=person, at=at, message=text, link=link, key=f"{job.id} {at.isoformat()}")
        deliver(told, person, job, watching)
