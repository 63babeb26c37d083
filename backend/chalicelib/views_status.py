"""Where a job stands in words: its badge, one sentence, and what may be done with it now."""

from __future__ import annotations

from typing import Any

from chalicelib import views_stages
from chalicelib.domain import pausing
from chalicelib.domain.catalogue import reason_label
from chalicelib.domain.identity import User, may_change
from chalicelib.domain.job import CANCELLABLE, DELETABLE, Job, JobStatus
from chalicelib.domain.progress import Progress
from chalicelib.domain.retrying import RETRYABLE

_BADGES: dict[JobStatus, tuple[str, str, bool]] = {
    JobStatus.PENDING_CONFIGURATION: ("Draft", "neutral", False),
    JobStatus.QUEUED: ("Queued", "queued", False),
    JobStatus.PROVISIONING: ("Provisioning", "provisioning", True),
    JobStatus.RUNNING: ("Running", "running", True),
    JobStatus.RECOVERING: ("Recovering", "warning", True),
    JobStatus.PAUSING: ("Pausing", "paused", True),
    JobStatus.PAUSED: ("Paused", "paused", False),
    JobStatus.CANCELLING: ("Cancelling", "cancelled", True),
    JobStatus.CANCELLED: ("Cancelled", "cancelled", False),
    JobStatus.COMPLETED: ("Completed", "completed", False),
    JobStatus.FAILED: ("Failed", "failed", False),
}
_WAITS_FOR = {
    None: "Waiting for a free slot.",
    "capacity": "No GPU was available; trying again soon.",
    "account": "Waiting: the GPU provider's account needs attention. Operations were told; no money is spent meanwhile.",
}
_STAGE_LABELS = {name: label for name, label, _, _ in views_stages.STAGES}


def badge(job: Job) -> dict[str, Any]:
    label, tone, pulsing = _BADGES[job.status]
    if job.status is JobStatus.RUNNING and job.stage is not None:
        label = _STAGE_LABELS[job.stage.value]
        tone = "running" if job.stage.value == "training" else "provisioning"
    return {"label": label, "tone": tone, "pulsing": pulsing}


def allowed_actions(job: Job) -> list[str]:
    actions = []
    if job.status is JobStatus.PENDING_CONFIGURATION:
        actions += ["start", "edit"]
    if pausing.refusal(job) is None:
        actions.append("pause")
    if job.status is JobStatus.PAUSED and not (job.pauses and job.pauses[-1].expired_at):
        actions.append("resume")
    if job.status in CANCELLABLE:
        actions.append("cancel")
    if job.status in DELETABLE and not job.cleanup_pending:
        actions.append("delete")
    if job.status in RETRYABLE:
        actions.append("retry")
    return [*actions, "clone", "edit_metadata"]


# What anyone who is signed in may do with any job.
_OPEN_TO_ALL = frozenset({"clone"})


def for_reader(shown: dict[str, Any], reader: User) -> dict[str, Any]:
    """A job or a line of the list as this person may see it: nobody is offered what would be refused them."""
    if may_change(reader, shown["created_by"]["id"]):
        return shown
    return {
        **shown,
        "allowed_actions": [action for action in shown["allowed_actions"] if action in _OPEN_TO_ALL],
    }


def status_sentence(job: Job, row: Progress) -> str:
    """One sentence: where the job stands, or why it ended."""
    if job.cancellation is not None and job.status in {JobStatus.CANCELLED, JobStatus.CANCELLING}:
        label = reason_label(job.cancellation.reason) or job.cancellation.reason
        who = f"Cancelled by {job.cancellation.requested_by.name}: {label}."
        return who + (" GPU cleanup pending." if job.cleanup_pending else "")
    if job.is_final:
        return job.end_sentence
    sentences = {
        JobStatus.PENDING_CONFIGURATION: "A draft: nothing is billed until it is started.",
        JobStatus.QUEUED: _WAITS_FOR[job.held_by if job.not_before else None],
        JobStatus.PROVISIONING: "Provisioning GPU... Estimated time: 2-5 minutes",
        JobStatus.RECOVERING: "Recovering from checkpoint..." if job.checkpoint else "Recovering...",
        JobStatus.PAUSING: "Saving a checkpoint before the GPU is released...",
        JobStatus.PAUSED: _paused_sentence(job),
    }
    if job.status in sentences:
        return sentences[job.status]
    return views_stages.progress_json(job, row, job.changed_at)["message"] or "Starting the trainer..."


def _paused_sentence(job: Job) -> str:
    pause = job.pauses[-1] if job.pauses else None
    if pause is None or pause.step is None:
        return "Paused before the first checkpoint. No GPU is billed; resuming starts from the beginning."
    late = "" if pause.own_checkpoint else " Its last steps could not be stored in time."
    return f"Paused at step {pause.step:,}. No GPU is billed.{late}"
