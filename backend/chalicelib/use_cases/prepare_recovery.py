"""The pod is lost: closes its attempt and decides whether the job may have another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.errors import JobAlreadyEnding, JobCancelled, PauseRequested, PodLostTooOften
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.recovery import LOST, begin_recovery
from chalicelib.ports import AttemptStore, JobStore, ProgressStore
from chalicelib.use_cases.again import change_job, the_job
from chalicelib.use_cases.say import say


def prepare_recovery(
    job_id: str,
    run: int,
    lost_attempt: int | None,
    *,
    jobs: JobStore,
    progress: ProgressStore,
    attempts: AttemptStore,
    timings: Mapping[str, float],
    now: datetime,
) -> dict[str, Any]:
    """{backoff_seconds}. Run twice for one lost pod, or so late that another one is at work, it counts one recovery.

    lost_attempt: of the pod that this run rented or moved into; None: the job's present one. The job is written first,
    which remembers whose loss it has counted; a repetition finishes what was begun.
    """
    job = _may_recover(the_job(jobs, job_id), run)
    number = job.attempt if lost_attempt is None else lost_attempt
    attempt = attempts.get(job_id, number)
    if attempt is not None and job.attempt == number and _is_a_loss(attempt):
        _check_number(job, number, round(timings["most_recoveries"]))
        after = change_job(
            jobs, job_id, lambda before: begin_recovery(_may_recover(before, run), number, now)
        )
        if attempt.status is not AttemptStatus.ENDED:
            attempts.save(attempts_of.finish(attempt, LOST, now), expected=attempt)
            _say(after, number, progress, now)
    times = max(0, the_job(jobs, job_id).recoveries - 1)
    return {"backoff_seconds": min(300.0, timings["recovery_backoff_seconds"] * 2**times)}


def _is_a_loss(attempt: Attempt) -> bool:
    """One that ended otherwise, never seen for example, was none."""
    return attempt.status is not AttemptStatus.ENDED or attempt.end == LOST


def _check_number(job: Job, lost_attempt: int, most: int) -> None:
    if job.lost_attempt < lost_attempt and job.recoveries >= most:
        raise PodLostTooOften(f"The GPU was lost {job.recoveries + 1} times; {most} recoveries are allowed.")


def _say(job: Job, lost_attempt: int, progress: ProgressStore, now: datetime) -> None:
    where = f"step {job.checkpoint.step}" if job.checkpoint else "the start"
    say(
        progress,
        job.id,
        now,
        "warning",
        f"GPU interrupted, recovering from {where}",
        {"attempt": lost_attempt, "recovery": job.recoveries},
    )


def _may_recover(job: Job, run: int) -> Job:
    if job.run != run or job.is_final or job.ending is not None:
        raise JobAlreadyEnding("This run is over.")
    if job.status is JobStatus.CANCELLING:
        raise JobCancelled("Cancelled while the GPU was lost.")
    if job.status is JobStatus.PAUSING:
        raise PauseRequested("Paused while the GPU was lost.")
    return job
