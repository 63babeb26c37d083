"""The agent's process started: the next incarnation of this attempt, where to go on, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.checkpoint import Checkpoint
from chalicelib.domain.errors import NotFound, StaleAttempt
from chalicelib.domain.job import Job
from chalicelib.domain.progress import Progress, command
from chalicelib.domain.trainer_events import greet
from chalicelib.ports import JobStore, ProgressStore, Workflow
from chalicelib.use_cases.again import change_progress, the_job
from chalicelib.use_cases.evaluate_wait import evaluate_wait

_LOSSES_PER_CHECKPOINT = 50


def current_row(row: Progress | None, attempt: int, fence: str) -> Progress:
    """StaleAttempt when these words come from an attempt that is not the job's present one."""
    if row is None:
        raise NotFound("Job not found or access denied.")
    if row.attempt != attempt or row.fence == "" or row.fence != fence:
        raise StaleAttempt("This attempt is over. Stop.", {"attempt": row.attempt})
    return row


def greet_agent(
    job_id: str,
    attempt: int,
    fence: str,
    process: str | None,
    *,
    jobs: JobStore,
    progress: ProgressStore,
    workflow: Workflow,
    now: datetime,
) -> Mapping[str, Any]:
    """The reply of contracts/hello.schema.json. The same process saying hello again (its reply was lost, or somebody
    replays it) is the same incarnation; StaleAttempt for a process that a newer one has followed."""
    current_row(progress.get(job_id), attempt, fence)
    row = change_progress(
        progress, job_id, lambda before: greet(current_row(before, attempt, fence), process, now)
    )
    evaluate_wait(row, workflow=workflow, now=now, heartbeat=True)
    job = the_job(jobs, job_id)
    return {
        "incarnation": row.incarnation,
        "next_sequence": row.next_sequence,
        "checkpoint": None if job.checkpoint is None else _offer(job.checkpoint),
        "earlier_checkpoints": [_offer(each) for each in job.earlier_checkpoints],
        "reported_losses": [] if job.checkpoint is None else _reported_losses(job, progress),
        "command": command(row),
        "watched": watched(row, now),
        "server_time": now.isoformat(),
    }


def _offer(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "step": checkpoint.step,
        "attempt": checkpoint.attempt,
        "path": checkpoint.path,
        "files": [
            {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256}
            for file in checkpoint.files
        ],
    }


def _reported_losses(job: Job, progress: ProgressStore) -> list[list[float]]:
    """[step, training loss] of up to 50 steps after each checkpoint that is offered.

    A checkpoint is announced after its upload, when later steps were reported already; they were not before the
    checkpoint before it was announced. So that one's revision says from where to read.
    """
    kept = job.kept_checkpoints
    after = kept[1].revision if len(kept) > 1 else 0
    known: dict[int, float] = {}
    for block in progress.blocks(job.id, after):
        for row in block.rows:
            if row.get("training_loss") is not None:
                known.setdefault(int(row["step"]), float(row["training_loss"]))
    wanted = {
        step
        for checkpoint in kept
        for step in range(checkpoint.step + 1, checkpoint.step + 1 + _LOSSES_PER_CHECKPOINT)
    }
    return [[step, known[step]] for step in sorted(wanted & known.keys())]


def watched(row: Progress, now: datetime) -> bool:
    """Somebody has the job's page open."""
    return row.watched_until is not None and row.watched_until > now
