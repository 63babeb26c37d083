"""Fills free slots from the queue: first come, first served. Safe to call at any time, any number at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.domain import job as transitions
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.job import Job
from chalicelib.domain.queue import next_in_line, take
from chalicelib.domain.queue_news import PROVISIONING, noted
from chalicelib.ports import JobStore, SettingsStore, Workflow
from chalicelib.use_cases.admit_starts import admit_starts

_MOST_STARTS = 20
_FRONT = 25


def dispatch_queue(
    *,
    jobs: JobStore,
    workflow: Workflow,
    timings: Mapping[str, float],
    limit: int,
    documents: SettingsStore,
    now: datetime,
) -> list[str]:
    """Ids of the jobs that were started. A claim whose execution did not start is repaired by the sweeper."""
    started: list[str] = []
    most = admit_starts(documents, _MOST_STARTS, lambda: _next(jobs, now) is not None, now)
    for _ in range(_MOST_STARTS):
        if len(started) >= most:
            break
        try:
            job = _claim_next(jobs, limit, now)
        except StaleWrite:
            continue
        if job is None:
            break
        workflow.start(job.id, job.run, timings)
        started.append(job.id)
    return started


def _claim_next(jobs: JobStore, limit: int, now: datetime) -> Job | None:
    slots = jobs.slots()
    if not replace(slots, limit=limit).free:
        return None
    job = _next(jobs, now)
    if job is None:
        return None
    # The index may lag behind: the row itself decides.
    fresh = jobs.get(job.id)
    if fresh is None or fresh.status is not job.status:
        raise StaleWrite("The queue moved.")
    taken = take(replace(slots, limit=limit), job.id)
    if taken is None:
        return None
    claimed, _ = jobs.save_with_slots(
        noted(transitions.claim(fresh, now), PROVISIONING, now),
        expected=fresh,
        slots=taken,
        expected_slots=slots,
    )
    return claimed


def _next(jobs: JobStore, now: datetime) -> Job | None:
    """The first of the queue that may start; only when none of its front may, the whole of it is read."""
    front = jobs.by_status("queued", _FRONT)
    found = next_in_line(front, now)
    return found if found is not None or len(front) < _FRONT else next_in_line(jobs.by_status("queued"), now)
