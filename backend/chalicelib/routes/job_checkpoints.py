"""The checkpoints a job keeps, and links to their files; each holds a loadable adapter."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.domain.checkpoint import Checkpoint
from chalicelib.routes.http import Call, endpoint
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.download_checkpoint import LINK_SECONDS, download_checkpoint
from chalicelib.views import checkpoint_json

bp = Blueprint(__name__)


@endpoint(
    bp,
    "GET",
    "/api/jobs/{job_id}/checkpoints",
    summary="Verified checkpoints, newest first; each holds a loadable adapter",
)
def get_checkpoints(call: Call) -> dict[str, Any]:
    job = the_job(bootstrap.jobs(), call.path["job_id"])
    return {"checkpoints": [_shown(each) for each in job.kept_checkpoints]}


def _shown(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        **checkpoint_json(checkpoint),
        "reason": checkpoint.reason,
        "files": [
            {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256}
            for file in checkpoint.files
        ],
    }


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/checkpoints/{step}/download",
    scope="jobs:read",
    summary="Links to the files of a kept checkpoint, valid for 15 minutes",
)
def post_checkpoint_download(call: Call) -> dict[str, Any]:
    job = the_job(bootstrap.jobs(), call.path["job_id"])
    checkpoint, links = download_checkpoint(job, call.path["step"], bootstrap.files())
    return {
        "step": checkpoint.step,
        "files": [
            {
                "name": link.file.name,
                "url": link.url,
                "size_bytes": link.file.size_bytes,
                "sha256": link.file.sha256,
            }
            for link in links
        ],
        "expires_in_seconds": LINK_SECONDS,
    }
