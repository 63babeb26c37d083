"""Short-lived links to the files of a checkpoint that a job keeps."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.checkpoint import Checkpoint, StoredFile, checkpoint_prefix
from chalicelib.domain.errors import NotFound
from chalicelib.domain.job import Job
from chalicelib.ports import Files
from chalicelib.use_cases.find_checkpoint import is_whole

LINK_SECONDS = 900


@dataclass(frozen=True, slots=True)
class CheckpointLink:
    file: StoredFile
    url: str


def download_checkpoint(job: Job, step: str, files: Files) -> tuple[Checkpoint, tuple[CheckpointLink, ...]]:
    """The kept checkpoint of a step with a link to each file, valid for 15 minutes. NotFound when the job keeps none, or
    storage no longer has it whole."""
    found = next((each for each in job.kept_checkpoints if str(each.step) == step), None)
    if found is None:
        raise NotFound("The job keeps no checkpoint of this step.")
    if not is_whole(job.id, found, files):
        raise NotFound("The checkpoint of this step is no longer whole in storage.")
    prefix = checkpoint_prefix(job.id, found.attempt, found.path)
    links = (
        CheckpointLink(
            file,
            files.download_link(prefix + file.name, expires_in_seconds=LINK_SECONDS, file_name=file.name),
        )
        for file in found.files
    )
    return found, tuple(links)
