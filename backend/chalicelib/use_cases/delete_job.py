"""Deletes a draft or an ended job with its curves, events and stored files; its costs and its model stay."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.errors import NotAllowed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.job import DELETABLE
from chalicelib.ports import AuditLog, Files, JobStore, ProgressStore
from chalicelib.use_cases.again import the_job


def delete_job(
    job_id: str,
    *,
    user: User,
    jobs: JobStore,
    progress: ProgressStore,
    files: Files,
    audit: AuditLog,
    now: datetime,
) -> None:
    """WrongStatus while the job may still run or its GPU is being cleaned up."""
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may delete it.")
    if job.status not in DELETABLE or job.cleanup_pending:
        raise WrongStatus(
            f"Job cannot be deleted while it is {job.status.value.replace('_', ' ')}. Cancel it first.",
            {"status": job.status.value},
        )
    jobs.delete(job)
    progress.delete(job_id)
    if job.model_id is None:
        files.delete_prefix(f"jobs/{job_id}/")
    audit.record(at=now, actor_id=user.id, action="job.delete", subject=job_id, details={"name": job.name})
