"""Whether a person is told about a job's way through the queue."""

from __future__ import annotations

from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.queue_news import MOST_WATCHERS, watched
from chalicelib.ports import JobStore
from chalicelib.use_cases.again import change_job


def watch_job(job_id: str, wanted: bool, *, user: User, jobs: JobStore) -> Job:
    """Anyone may watch any job that has not ended. WrongStatus for one that has, or that is watched by fifty."""

    def change(before: Job) -> Job:
        after = watched(before, user.as_person(), wanted)
        if after is not before and wanted and before.is_final:
            raise WrongStatus("The job has ended.", {"status": before.status.value})
        if len(after.watchers) > MOST_WATCHERS:
            raise WrongStatus(f"At most {MOST_WATCHERS} people watch one job.")
        return after

    return change_job(jobs, job_id, change)
