"""What a job has stored: its newest checkpoint that is whole."""

from __future__ import annotations

from chalicelib.domain.checkpoint import Checkpoint, checkpoint_prefix
from chalicelib.domain.job import Job
from chalicelib.ports import Files


def find_checkpoint(job: Job, files: Files) -> Checkpoint | None:
    """None when none of those the job keeps is complete in storage."""
    return next((each for each in job.kept_checkpoints if is_whole(job.id, each, files)), None)


def is_whole(job_id: str, checkpoint: Checkpoint, files: Files) -> bool:
    prefix = checkpoint_prefix(job_id, checkpoint.attempt, checkpoint.path)
    heads = [(file, files.head(prefix + file.name)) for file in checkpoint.files]
    return all(head is not None and int(head["size_bytes"]) == file.size_bytes for file, head in heads)
