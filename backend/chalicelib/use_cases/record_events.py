"""A batch of signed trainer events: refuses old attempts, drops duplicates, stores points and lines exactly once,
moves the checkpoint pointer after verifying the files, and lets the state machine's wait see what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.domain import job as transitions
from chalicelib.domain.checkpoint import Checkpoint, StoredFile, checkpoint_prefix
from chalicelib.domain.errors import AppError, StaleAttempt, StorageUnavailable
from chalicelib.domain.job import ACTIVE, Job, Stage
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.progress import Progress, command
from chalicelib.domain.trainer_events import Checkpointed, Folded, fold
from chalicelib.domain.watch import Warned, due, finish_for_low_gpu, given, is_low, near_cap
from chalicelib.ports import Files, JobStore, ProgressStore, Workflow
from chalicelib.use_cases.again import again, change_job, the_job
from chalicelib.use_cases.check_spending import Warn
from chalicelib.use_cases.evaluate_wait import evaluate_wait
from chalicelib.use_cases.greet_agent import current_row, watched
from chalicelib.use_cases.roll_up_points import roll_up_points
from chalicelib.use_cases.tidy_checkpoints import drop_replaced


@dataclass(frozen=True, slots=True)
class Inbox:
    """The ports this use case works with. started(job): told once when training work begins. warn(kind, job, at, detail):
    a warning that was just given."""

    jobs: JobStore
    progress: ProgressStore
    files: Files
    workflow: Workflow
    started: Callable[[Job], None]
    warn: Warn
    # job id -> the row after a look at its pod's price
    look_at_price: Callable[[str], Progress | None]
    timings: Mapping[str, float]


# So near to the cap the price is looked at with every batch: a rise must not go unseen for a minute.
_NEAR_CAP_SECONDS = 300


def record_events(
    job_id: str,
    *,
    attempt: int,
    fence: str,
    incarnation: int,
    first_sequence: int,
    events: Sequence[Mapping[str, Any]],
    inbox: Inbox,
    now: datetime,
) -> Mapping[str, Any]:
    """The reply of contracts/trainer_event.schema.json. StaleAttempt for an old attempt or incarnation."""

    def once() -> tuple[Progress, list[Warned]]:
        before = current_row(inbox.progress.get(job_id), attempt, fence)
        if incarnation != before.incarnation:
            raise StaleAttempt(
                "A newer process of this attempt has said hello. Stop.", {"incarnation": before.incarnation}
            )
        folded = fold(before, first_sequence, events, now)
        verified = _verified(job_id, folded, inbox.files, now)
        # The stage first: if the row is lost after that, the same batch comes again and changes nothing.
        _carry_over(job_id, folded, inbox, now)
        found = _watch(job_id, folded, inbox, now)
        block = _block(job_id, folded)
        row = inbox.progress.save(
            folded.progress,
            expected=before,
            events=folded.log,
            block=block,
            rollups=roll_up_points(block, progress=inbox.progress) if block else (),
        )
        # The pointer last: a pod that gives way to its successor at this very moment must not leave a checkpoint whose
        # steps are in no curve, for the successor goes on behind them. If the pointer is lost, the batch comes again.
        for checkpoint in (*folded.repeated, *verified):
            _move_pointer(job_id, row, checkpoint, inbox, now)
        return row, found

    row, warnings = again(once)
    for warned in warnings:
        inbox.warn(warned.kind, the_job(inbox.jobs, job_id), now, warned.detail)
    if near_cap(row, now, _NEAR_CAP_SECONDS):
        with suppress(AppError):
            row = inbox.look_at_price(job_id) or row
    evaluate_wait(row, workflow=inbox.workflow, now=now, heartbeat=True)
    return {
        "next_sequence": row.next_sequence,
        "command": command(row),
        "watched": watched(row, now),
        "server_time": now.isoformat(),
    }


def _block(job_id: str, folded: Folded) -> PointBlock | None:
    if not folded.rows:
        return None
    return PointBlock(job_id, folded.progress.revision, tuple(folded.rows))


def _verified(job_id: str, folded: Folded, files: Files, now: datetime) -> list[Checkpointed]:
    """The announced checkpoints that are in storage; of the others a warning is logged."""
    problems = [_missing(job_id, folded.progress.attempt, each, files) for each in folded.checkpoints]
    for problem in filter(None, problems):
        _warn(folded, now, problem)
    folded.repeated = [
        each for each in folded.repeated if _missing(job_id, folded.progress.attempt, each, files) is None
    ]
    return [each for each, problem in zip(folded.checkpoints, problems, strict=True) if problem is None]


def _carry_over(job_id: str, folded: Folded, inbox: Inbox, now: datetime) -> None:
    if folded.new_stage is not None:
        before = the_job(inbox.jobs, job_id)
        stage = Stage(folded.new_stage)
        after = change_job(inbox.jobs, job_id, lambda job: transitions.enter_stage(job, stage, now))
        if before.started_at is None and after.started_at is not None:
            inbox.started(after)


def _missing(job_id: str, attempt: int, checkpoint: Checkpointed, files: Files) -> str | None:
    """What is wrong with the stored files; None when all are there as announced."""
    prefix = checkpoint_prefix(job_id, attempt, checkpoint.path)
    for file in checkpoint.files:
        stored = files.head(prefix + str(file["name"]))
        if stored is None:
            return f"Checkpoint at step {checkpoint.step} not used: {file['name']} is not in storage."
        if int(stored["size_bytes"]) != int(file["size_bytes"]):
            return f"Checkpoint at step {checkpoint.step} not used: {file['name']} has the wrong size in storage."
        if stored.get("sha256") and stored["sha256"] != file["sha256"]:
            return f"Checkpoint at step {checkpoint.step} not used: {file['name']} differs in storage."
    return None


def _move_pointer(job_id: str, row: Progress, checkpoint: Checkpointed, inbox: Inbox, now: datetime) -> None:
    attempt = row.attempt
    files = tuple(
        StoredFile(str(file["name"]), int(file["size_bytes"]), str(file["sha256"]))
        for file in checkpoint.files
    )
    newest = Checkpoint(
        checkpoint.step, attempt, checkpoint.path, files, checkpoint.at, checkpoint.reason, row.revision
    )

    def move(job: Job) -> Job:
        present = job.checkpoint
        older = present is not None and (present.attempt, present.step) > (attempt, checkpoint.step)
        same = present is not None and replace(newest, revision=present.revision) == present
        # One that was settled meanwhile keeps what it has: the files of this one may have been tidied away.
        if job.attempt != attempt or job.status not in ACTIVE or older or same:
            return job
        return transitions.keep_checkpoint(job, newest, now)

    before = the_job(inbox.jobs, job_id)
    after = change_job(inbox.jobs, job_id, move)
    # What stays behind when storage does not answer goes when the run is settled.
    with suppress(StorageUnavailable):
        drop_replaced(before, after, inbox.files)


def _watch(job_id: str, folded: Folded, inbox: Inbox, now: datetime) -> list[Warned]:
    """The warnings that this batch makes due; told once they are saved, and by the sweeper if this dies before."""
    found = due(folded.progress, inbox.timings, now)
    for warned in found:
        folded.say(now, "warning", warned.message, warned.data)
        folded.progress = given(folded.progress, warned, now)
    # Read each time while it lasts, which is rare: the wish may be made after the warning.
    if is_low(folded.progress, inbox.timings, now) and the_job(inbox.jobs, job_id).stop_on_low_gpu:
        folded.progress = finish_for_low_gpu(folded.progress)
    return found


def _warn(folded: Folded, now: datetime, message: str) -> None:
    folded.say(now, "warning", message)
