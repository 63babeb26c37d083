"""Records the wish to pause, then ends the present wait. The state machine waits for the checkpoint and ends the pod."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.errors import NotAllowed
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.pausing import request_pause
from chalicelib.domain.progress import Intent, stronger
from chalicelib.ports import AuditLog, JobStore, ProgressStore, Workflow
from chalicelib.use_cases.again import change_job, change_progress, the_job
from chalicelib.use_cases.evaluate_wait import evaluate_wait
from chalicelib.use_cases.say import say


def pause_job(
    job_id: str,
    *,
    user: User,
    jobs: JobStore,
    progress: ProgressStore,
    workflow: Workflow,
    audit: AuditLog,
    now: datetime,
) -> Job:
    """The job, pausing. WrongStatus with the reason where pausing makes no sense."""
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may pause it.")
    after = change_job(jobs, job_id, lambda before: request_pause(before, user.as_person(), now))
    row = change_progress(
        progress, job_id, lambda before: replace(before, intent=stronger(before.intent, Intent.PAUSE))
    )
    say(
        progress,
        job_id,
        now,
        "status",
        f"{job.status.value} → pausing",
        {
            "old_status": job.status.value,
            "new_status": "pausing",
            "action": "paused",
            "reason": "user_requested",
            "step": row.step,
            "by": user.name,
        },
    )
    audit.record(at=now, actor_id=user.id, action="job.pause", subject=job_id, details={"step": row.step})
    evaluate_wait(row, workflow=workflow, now=now, heartbeat=False)
    return after
