"""The agent's process started: the next incarnation of this attempt, where to go on, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.errors import NotFound, StaleAttempt
from chalicelib.domain.progress import Progress, command
from chalicelib.domain.trainer_events import greet
from chalicelib.ports import JobStore, ProgressStore, Workflow
from chalicelib.use_cases.again import change_progress, the_job
from chalicelib.use_cases.evaluate_wait import evaluate_wait


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
    checkpoint = the_job(jobs, job_id).checkpoint
    return {
        "incarnation": row.incarnation,
        "next_sequence": row.next_sequence,
        "checkpoint": None
        if checkpoint is None
        else {
            "step": checkpoint.step,
            "attempt": checkpoint.attempt,
            "path": checkpoint.path,
            "files": [
                {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256}
                for file in checkpoint.files
            ],
        },
        "command": command(row),
        "watched": watched(row, now),
        "server_time": now.isoformat(),
    }


def watched(row: Progress, now: datetime) -> bool:
    """Somebody has the job's page open."""
    return row.watched_until is not None and row.watched_until > now
