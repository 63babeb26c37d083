"""A job whose pod was lost: another one will be rented. One loss counts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.job import Job, JobStatus

# Why the attempt of a lost pod ended.
LOST = "lost"
_LOSES_PODS = frozenset({JobStatus.PROVISIONING, JobStatus.RUNNING, JobStatus.RECOVERING})


def begin_recovery(job: Job, lost_attempt: int, now: datetime) -> Job:
    """The job, recovering; the same job when this loss was counted before."""
    if job.status not in _LOSES_PODS:
        raise WrongStatus(
            f"Job cannot be recovered: it is {job.status.value.replace('_', ' ')}.",
            {"status": job.status.value},
        )
    if lost_attempt <= job.lost_attempt:
        return job
    return replace(
        job,
        status=JobStatus.RECOVERING,
        recoveries=job.recoveries + 1,
        losses=(*job.losses, now),
        lost_attempt=lost_attempt,
        changed_at=now,
    )
