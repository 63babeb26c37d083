"""Losing a race is normal: reread and decide again, a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chalicelib.domain.errors import NotFound, StaleWrite
from chalicelib.domain.ids import is_id
from chalicelib.domain.job import Job
from chalicelib.domain.progress import Progress
from chalicelib.ports import JobStore, ProgressStore

Result = TypeVar("Result")


def again(action: Callable[[], Result], tries: int = 12) -> Result:
    """The action's result; StaleWrite when it lost every time."""
    for _ in range(tries - 1):
        try:
            return action()
        except StaleWrite:
            continue
    return action()


def change_job(jobs: JobStore, job_id: str, change: Callable[[Job], Job]) -> Job:
    """The job after the change was saved. A change that returns its argument saves nothing."""

    def once() -> Job:
        before = the_job(jobs, job_id)
        after = change(before)
        return before if after is before else jobs.save(after, expected=before)

    return again(once)


def change_progress(rows: ProgressStore, job_id: str, change: Callable[[Progress], Progress]) -> Progress:
    def once() -> Progress:
        before = rows.get(job_id)
        after = change(before or Progress(job_id))
        if before is not None and after is before:
            return before
        return rows.save(after, expected=before)

    return again(once)


def the_job(jobs: JobStore, job_id: str) -> Job:
    job = jobs.get(job_id) if is_id("job", job_id) else None
    if job is None:
        raise NotFound("Job not found or access denied.")
    return job
