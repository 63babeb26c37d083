"""A draft with the configuration, the words and the cap of another job, whatever became of that one."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.origin import CLONE, Origin
from chalicelib.use_cases.copy_job import Copier, copy_job
from chalicelib.use_cases.edit_job import as_request


def clone_job(job: Job, *, new_id: str, user: User, copier: Copier, now: datetime) -> Job:
    """Anyone may clone any job: the draft is their own. ValidationFailed for a GPU that is sold no more."""
    origin = Origin(CLONE, job.id, job.name, job.status.value)
    return copy_job(
        job, as_request(job), job.spend_cap_usd, origin, new_id=new_id, user=user, copier=copier, now=now
    )
