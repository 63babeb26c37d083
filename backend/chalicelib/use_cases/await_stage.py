"""Stores the token of a wait, then looks whether the wait is over already: write mine, then see yours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.job import ACTIVE, JobStatus
from chalicelib.domain.progress import Intent, Progress, stronger
from chalicelib.ports import JobStore, ProgressStore, Workflow
from chalicelib.use_cases.again import change_progress
from chalicelib.use_cases.evaluate_wait import evaluate_wait

DEADLINES: Mapping[str, str] = {
    "AwaitAgent": "provisioning_deadline_seconds",
    "AwaitPreprocessing": "preprocessing_deadline_seconds",
    "AwaitModelLoading": "model_loading_deadline_seconds",
    "AwaitTraining": "training_deadline_seconds",
    "AwaitFinalization": "finalization_deadline_seconds",
    "AwaitCheckpoint": "checkpoint_deadline_seconds",
}


def await_stage(
    job_id: str,
    run: int,
    waiting_for: str,
    token: str,
    *,
    jobs: JobStore,
    progress: ProgressStore,
    workflow: Workflow,
    timings: Mapping[str, float],
    now: datetime,
) -> str:
    """Returns what `evaluate_wait` did. Deadlines live in the row, because a wait may be entered again and again."""
    job = jobs.get(job_id)
    if job is None or job.run != run or job.status not in ACTIVE:
        # Also a call that took so long that its run was settled meanwhile: its token must not outlive the run.
        workflow.fail_wait(token, "JobAlreadyEnding", "this run is over")
        return "released"

    def enter(row: Progress) -> Progress:
        if row.run > run:
            return row
        deadlines = dict(row.deadlines)
        if waiting_for in DEADLINES and waiting_for not in deadlines:
            deadlines[waiting_for] = now + timedelta(seconds=_allowed_seconds(waiting_for, timings))
        intent = row.intent
        # The intent is written to the job first; a crash before it reached this row is healed here.
        if job.status is JobStatus.CANCELLING:
            intent = stronger(intent, Intent.CANCEL)
        elif job.status is JobStatus.PAUSING:
            intent = stronger(intent, Intent.PAUSE)
        return replace(row, run=run, token=token, waiting_for=waiting_for, deadlines=deadlines, intent=intent)

    row = change_progress(progress, job_id, enter)
    if row.token != token:
        workflow.fail_wait(token, "JobAlreadyEnding", "another run has taken over")
        return "released"
    return evaluate_wait(row, workflow=workflow, now=now, heartbeat=False)


def _allowed_seconds(waiting_for: str, timings: Mapping[str, float]) -> float:
    """A pod that never calls home is replaced when it is looked at after its time; only where no look succeeds is the
    wait given up, and the job with it."""
    allowed = timings[DEADLINES[waiting_for]]
    return allowed + 2 * timings["agent_poll_seconds"] if waiting_for == "AwaitAgent" else allowed
