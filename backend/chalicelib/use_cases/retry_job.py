"""A draft that tries an ended job again, from the beginning or from the last checkpoint it stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.checkpoint import Checkpoint, checkpoint_prefix
from chalicelib.domain.configure import ConfigurationRequest
from chalicelib.domain.errors import NotAllowed, ValidationFailed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.origin import RETRY, Origin
from chalicelib.domain.retrying import RETRYABLE, can_continue
from chalicelib.ports import Files
from chalicelib.use_cases.copy_job import Copier, copy_job
from chalicelib.use_cases.edit_job import as_request
from chalicelib.use_cases.find_checkpoint import find_checkpoint

# Where a new job keeps what it was given: before its first attempt, which is 1.
GIVEN = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What a retry does otherwise than the job did. None and empty: as before; the cap is then made anew from the
    estimate."""

    from_checkpoint: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    gpu_type: str | None = None
    gpu_count: int | None = None
    tier: str | None = None
    spend_cap_usd: Decimal | None = None


def retry_job(job: Job, change: Change, *, new_id: str, user: User, copier: Copier, now: datetime) -> Job:
    """The draft. WrongStatus for a job that has not ended, or without a whole checkpoint where one is wished;
    ValidationFailed for a change that a checkpoint does not allow."""
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may retry it. Clone it instead.")
    if job.status not in RETRYABLE:
        raise WrongStatus(
            "Only a job that has ended can be tried again. Clone it instead.", {"status": job.status.value}
        )
    request = changed(job, change)
    checkpoint = _checkpoint(job, copier.files) if change.from_checkpoint else None
    step = None if checkpoint is None else checkpoint.step
    given = None if checkpoint is None else _copied(job.id, new_id, checkpoint, copier.files)
    origin = Origin(RETRY, job.id, job.name, job.status.value, step)
    return copy_job(
        job,
        request,
        change.spend_cap_usd,
        origin,
        new_id=new_id,
        user=user,
        copier=copier,
        now=now,
        checkpoint=given,
    )


def changed(job: Job, change: Change) -> ConfigurationRequest:
    """The configuration of a retry. ValidationFailed where the checkpoint would belong to another one."""
    request = as_request(job)
    problems: dict[str, list[str]] = {}
    if change.from_checkpoint and change.hyperparameters:
        problems["hyperparameters"] = [
            "A checkpoint belongs to its hyperparameters. Start from the beginning."
        ]
    if change.from_checkpoint and change.gpu_count not in {None, request.gpu_count}:
        problems["gpu.count"] = ["The number of GPUs stays: the batches of the checkpoint depend on it."]
    if problems:
        raise ValidationFailed(problems)
    values = {**request.hyperparameters, **change.hyperparameters}
    return replace(
        request,
        hyperparameters=values,
        gpu_type=change.gpu_type or request.gpu_type,
        gpu_count=change.gpu_count or request.gpu_count,
        tier=change.tier or request.tier,
    )


def _checkpoint(job: Job, files: Files) -> Checkpoint:
    found = find_checkpoint(job, files) if can_continue(job) else None
    if found is None:
        raise WrongStatus(
            "There is no checkpoint of this job to go on from. Start from the beginning.",
            {"status": job.status.value},
        )
    return found


def _copied(old_id: str, new_id: str, checkpoint: Checkpoint, files: Files) -> Checkpoint:
    """The same checkpoint, as a file of the new job. What an earlier try copied is not copied again."""
    given = replace(checkpoint, attempt=GIVEN, reason="given", revision=0)
    source = checkpoint_prefix(old_id, checkpoint.attempt, checkpoint.path)
    target = checkpoint_prefix(new_id, given.attempt, given.path)
    for file in checkpoint.files:
        head = files.head(target + file.name)
        if head is None or int(head["size_bytes"]) != file.size_bytes:
            files.copy(source + file.name, target + file.name)
    return given
