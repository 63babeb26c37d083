"""The pod is lost: closes its attempt and decides whether the job may have another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import AttemptStatus
from chalicelib.domain.errors import JobAlreadyEnding, JobCancelled, PauseRequested, PodLostTooOften
from chalicelib.domain.job import Job, JobStatus
from chalicelib.ports import AttemptStore, JobStore, ProgressStore
from chalicelib.use_cases.again import change_job, the_job
from chalicelib.use_cases.say import say


def prepare_recovery(
    job_id: str,
    *,
    jobs: JobStore,
    progress: ProgressStore,
    attempts: AttemptStore,
    timings: Mapping[str, float],
    now: datetime,
) -> dict[str, Any]:
    """{backoff_seconds}. Run twice for one lost pod, it counts one recovery: the closed attempt remembers."""
    job = _may_recover(the_job(jobs, job_id))
    attempt = attempts.get(job_id, job.attempt)
    counted = attempt is None or attempt.status is AttemptStatus.ENDED
    most = round(timings["most_recoveries"])
    if not counted and job.recoveries >= most:
        raise PodLostTooOften(f"The GPU was lost {job.recoveries + 1} times; {most} recoveries are allowed.")
    if attempt is not None and not counted:
        attempts.save(attempts_of.finish(attempt, "lost", now), expected=attempt)
        change_job(jobs, job_id, lambda before: transitions.begin_recovery(_may_recover(before), now))
        where = f"step {job.checkpoint.step}" if job.checkpoint else "the start"
        say(
            progress,
            job_id,
            now,
            "warning",
            f"GPU interrupted, recovering from {where}",
            {"attempt": attempt.number, "recovery": job.recoveries + 1},
        )
    times = max(0, the_job(jobs, job_id).recoveries - 1)
    return {"backoff_seconds": min(300.0, timings["recovery_backoff_seconds"] * 2**times)}


def _may_recover(job: Job) -> Job:
    if job.is_final or job.ending is not None:
        raise JobAlreadyEnding("This run is over.")
    if job.status is JobStatus.CANCELLING:
        raise JobCancelled("Cancelled while the GPU was lost.")
    if job.status is JobStatus.PAUSING:
        raise PauseRequested("Paused while the GPU was lost.")
    return job
