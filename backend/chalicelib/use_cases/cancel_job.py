"""Records the wish to cancel, then ends the present wait. The state machine does the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain import job as transitions
from chalicelib.domain.catalogue import reason_label
from chalicelib.domain.errors import NotAllowed, ValidationFailed
from chalicelib.domain.identity import User
from chalicelib.domain.job import Cancellation, Job, JobStatus
from chalicelib.domain.progress import Intent, stronger
from chalicelib.ports import AuditLog, JobStore, ProgressStore, Workflow
from chalicelib.use_cases.again import change_job, change_progress, the_job
from chalicelib.use_cases.evaluate_wait import evaluate_wait
from chalicelib.use_cases.say import say


def cancel_job(
    job_id: str,
    *,
    reason: str,
    notes: str | None,
    user: User,
    jobs: JobStore,
    progress: ProgressStore,
    workflow: Workflow,
    audit: AuditLog,
    now: datetime,
) -> Job:
    """The job, cancelling (or cancelled at once when it has no pod). WrongStatus where cancelling makes no sense."""
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may cancel it.")
    label = reason_label(reason)
    if label is None:
        raise ValidationFailed({"reason": ["Choose one of the listed reasons."]})
    cancellation = Cancellation(reason, notes, user.as_person(), now)
    after = change_job(jobs, job_id, lambda before: transitions.request_cancel(before, cancellation))
    say(
        progress,
        job_id,
        now,
        "status",
        f"{job.status.value} → {after.status.value}: {label}",
        {
            "old_status": job.status.value,
            "new_status": after.status.value,
            "reason": reason,
            "notes": notes,
            "by": user.name,
        },
    )
    audit.record(
        at=now,
        actor_id=user.id,
        action="job.cancel",
        subject=job_id,
        details={"reason": reason, "notes": notes, "status": job.status.value},
    )
    if after.status is JobStatus.CANCELLING:
        row = change_progress(
            progress, job_id, lambda before: replace(before, intent=stronger(before.intent, Intent.CANCEL))
        )
        evaluate_wait(row, workflow=workflow, now=now, heartbeat=False)
    return after
