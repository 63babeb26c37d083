"""What is told of a job's way through the queue: third, next, and a GPU on its way. Each once per wait.

The job itself remembers since when it is so. That time makes the id of what is told, so that telling twice tells once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.job import Job
from chalicelib.domain.person import Person
from chalicelib.domain.queue import waiting_since
from chalicelib.domain.queue_words import about

NEAR, NEXT, PROVISIONING = "queue_near", "queue_next", "job_provisioning"
NEAR_POSITIONS = (2, 3)
_SOON = timedelta(hours=1)
_VERY_SOON = timedelta(minutes=15)
MOST_WATCHERS = 50


def told_at(job: Job, kind: str) -> datetime | None:
    """Since when this holds in the job's present wait."""
    since = waiting_since(job)
    return next((at for known, at in job.told if known == kind and at >= since), None)


def noted(job: Job, kind: str, now: datetime) -> Job:
    """The same job when it was noted before: a job that comes back for want of a GPU is told once."""
    if told_at(job, kind) is not None:
        return job
    since = waiting_since(job)
    of_this_wait = tuple(entry for entry in job.told if entry[1] >= since)
    return replace(job, told=(*of_this_wait, (kind, now)))


def due(position: int) -> str | None:
    """What is worth telling at this position."""
    if position == 1:
        return NEXT
    return NEAR if position in NEAR_POSITIONS else None


def message(kind: str, job: Job, position: int, wait: timedelta | None) -> str:
    """wait: to the estimated start, None when unknown. No start is called near that is not expected to be."""
    if kind == PROVISIONING:
        return f"GPU provisioning started for {job.name}."
    later = "" if wait is None else f" Estimated start: {about(wait)}."
    if kind == NEXT:
        soon = wait is not None and wait <= _VERY_SOON
        return "Your job is next!" + (" Starting within 15 minutes." if soon else later)
    if position == 2:
        return f"Your queued job moved to position #2.{later}"
    soon = wait is not None and wait <= _SOON
    return "Your job is 3rd in queue." + (" Starting soon." if soon else later)


def listeners(job: Job) -> tuple[tuple[Person, bool], ...]:
    """(person, whether they watch): the creator, who hears of it by preference, and whoever watches."""
    watching = {person.id for person in job.watchers}
    others = [(person, True) for person in job.watchers if person.id != job.created_by.id]
    return ((job.created_by, job.created_by.id in watching), *others)


def watched(job: Job, person: Person, wanted: bool) -> Job:
    """The same job when nothing changes."""
    others = tuple(each for each in job.watchers if each.id != person.id)
    if wanted == (len(others) < len(job.watchers)):
        return job
    return replace(job, watchers=(*others, person) if wanted else others)
