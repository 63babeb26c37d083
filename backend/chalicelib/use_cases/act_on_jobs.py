"""One action on many jobs: each stands for itself, and asking again is harmless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import AppError, NotFound, ServiceUnavailable, WrongStatus
from chalicelib.domain.job import JobStatus
from chalicelib.ports import JobStore

DELETED = "deleted"
_ON_THE_WAY = frozenset({JobStatus.CANCELLING, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """status: where the job stands afterwards, `deleted`, or None for a job that cannot be read."""

    job_id: str
    status: str | None
    error: AppError | None = None


def act_on_jobs(
    job_ids: Sequence[str],
    act: Callable[[str], str],
    *,
    is_delete: bool,
    jobs: JobStore,
    out_of_time: Callable[[], bool],
) -> tuple[Outcome, ...]:
    """Outcomes in the order of the ids, each job once.

    act: does it to one job and returns its new status, with the rights and errors of the single action.
    out_of_time: true once no further job should be begun; the rest is answered as not reached.
    """
    return tuple(
        _one(job_id, act, is_delete, jobs) if not out_of_time() else _not_reached(job_id)
        for job_id in dict.fromkeys(job_ids)
    )


def _one(job_id: str, act: Callable[[str], str], is_delete: bool, jobs: JobStore) -> Outcome:
    try:
        return Outcome(job_id, act(job_id))
    except NotFound as error:
        # Gone is what was asked for: the reply to the first try may have been lost.
        return Outcome(job_id, DELETED) if is_delete else Outcome(job_id, None, error)
    except WrongStatus as error:
        status = _status(job_id, jobs)
        done = not is_delete and status in _ON_THE_WAY
        return Outcome(job_id, status, None if done else error)
    except AppError as error:
        return Outcome(job_id, _status(job_id, jobs), error)


def _status(job_id: str, jobs: JobStore) -> str | None:
    """None too when the store does not answer: what was found out about the other jobs must not be lost."""
    try:
        job = jobs.get(job_id)
    except AppError:
        return None
    return None if job is None else job.status.value


def _not_reached(job_id: str) -> Outcome:
    return Outcome(
        job_id, None, ServiceUnavailable("Not reached in time; nothing was changed. Send it again.")
    )
