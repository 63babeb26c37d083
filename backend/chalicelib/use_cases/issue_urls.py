"""Presigned links for a pod: it may write under its own attempt only, and read the dataset and the job's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.checkpoint import attempt_prefix, checkpoint_prefix
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.job import Job
from chalicelib.ports import Files, JobStore, ProgressStore
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.greet_agent import current_row

EXPIRES_IN_SECONDS = 900


def issue_urls(
    job_id: str,
    *,
    attempt: int,
    fence: str,
    uploads: Sequence[Mapping[str, Any]],
    downloads: Sequence[str],
    jobs: JobStore,
    progress: ProgressStore,
    files: Files,
) -> Mapping[str, Any]:
    """The reply of contracts/urls.schema.json. ValidationFailed for a checkpoint file the job does not have."""
    current_row(progress.get(job_id), attempt, fence)
    job = the_job(jobs, job_id)
    prefix = attempt_prefix(job_id, attempt)
    return {
        "uploads": {
            upload["path"]: dict(
                files.upload_link(
                    prefix + upload["path"],
                    size_bytes=upload["size_bytes"],
                    sha256=upload["sha256"],
                    expires_in_seconds=EXPIRES_IN_SECONDS,
                )
            )
            for upload in uploads
        },
        "downloads": {
            name: files.download_link(_key(job, name), expires_in_seconds=EXPIRES_IN_SECONDS)
            for name in downloads
        },
        "expires_in_seconds": EXPIRES_IN_SECONDS,
    }


def _key(job: Job, name: str) -> str:
    if name == "dataset":
        return job.dataset.key
    *folder, file = name.removeprefix("checkpoint/").split("/")
    offered = job.kept_checkpoints
    if not folder:
        offered = offered[:1]
    for checkpoint in offered:
        at_step = not folder or folder == [f"step-{checkpoint.step:06d}"]
        if at_step and file in {stored.name for stored in checkpoint.files}:
            return checkpoint_prefix(job.id, checkpoint.attempt, checkpoint.path) + file
    raise ValidationFailed({"downloads": [f"The job has no checkpoint file {'/'.join([*folder, file])}."]})
