"""Carries out an approved promotion, and tells the requester what a manager decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain import news, queue_words
from chalicelib.domain.approval import Approval
from chalicelib.domain.errors import NotFound, WrongStatus
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.queue import promote, waiting_since
from chalicelib.domain.queue_history import PROMOTED, QueueEvent
from chalicelib.use_cases.again import change_job
from chalicelib.use_cases.request_promotion import Desk
from chalicelib.use_cases.say import say

GONE = "The job has left the queue."


def promote_job(approval: Approval, *, desk: Desk, now: datetime) -> Mapping[str, Any] | None:
    """{old_position, new_position}; None when the job left the queue before. Repeating it promotes
    once: the promotion bears the time of the decision."""
    decided_at = approval.decided_at or now
    before = desk.queue(now)

    def change(job: Job) -> Job:
        if job.promoted_at == decided_at:
            return job
        if not _waits(job, approval):
            raise WrongStatus(GONE)
        return promote(job, decided_at, now)

    try:
        job = change_job(desk.jobs, approval.subject, change)
    except (NotFound, WrongStatus):
        return None
    old = before.position(job.id)
    # Found at the front already, or beyond it: an earlier try got as far as this.
    old = approval.payload["old_position"] if old in {None, 1} else old
    outcome = {"old_position": old, "new_position": 1}
    _write_down(approval, job, outcome, decided_at, desk, now)
    wait = before.with_first(job.id).wait(job.id)
    start = "" if wait is None else f" Estimated start: {queue_words.about(wait)}."
    _tell(approval, f"Your job has been promoted to front of queue.{start}", desk)
    return outcome


def pointless_promotion(approval: Approval, *, desk: Desk) -> str:
    """Why a request has become pointless; empty while the job still waits as it did when this was asked."""
    job = desk.jobs.get(approval.subject)
    return "" if job is not None and _waits(job, approval) else GONE


def tell_denied(approval: Approval, *, desk: Desk) -> None:
    why = f": {approval.reason}" if approval.reason else "."
    name = approval.payload["job_name"]
    _tell(approval, f"Your request to move {name} to the front of the queue was denied{why}", desk)


def _waits(job: Job, approval: Approval) -> bool:
    """A job that was paused and queued anew since is not the one that was asked about."""
    same_wait = waiting_since(job).isoformat() == approval.payload["queued_at"]
    return job.status is JobStatus.QUEUED and same_wait


def _write_down(
    approval: Approval, job: Job, outcome: Mapping[str, Any], at: datetime, desk: Desk, now: datetime
) -> None:
    approver = approval.decided_by or approval.requested_by
    asked = approval.payload
    facts = {
        **outcome,
        "approval_id": approval.id,
        "approved_by": approver.name,
        "requested_by": approval.requested_by.name,
        "reason": asked["reason"],
        "at": at.isoformat(),
    }
    sentence = (
        f"Promoted to the front of the queue: #{outcome['old_position']} → #{outcome['new_position']}, "
        f"approved by {approver.name} ({asked['reason_label']})"
    )
    say(desk.progress, job.id, now, "info", sentence, facts)
    desk.audit.record(at=now, actor_id=approver.id, action="job.promote", subject=job.id, details=facts)
    desk.queue_events.add(
        QueueEvent(
            at,
            PROMOTED,
            job.id,
            job.name,
            approver.name,
            old_position=outcome["old_position"],
            new_position=outcome["new_position"],
            reason=asked["reason_label"],
        )
    )


def _tell(approval: Approval, message: str, desk: Desk) -> None:
    to = approval.requested_by
    link = f"/training-jobs/{approval.subject}"
    told = news.note(
        "promotion_decided",
        to=to,
        at=approval.decided_at or approval.requested_at,
        message=message,
        link=link,
        key=approval.id,
    )
    name = approval.payload["job_name"]
    text = f"{message}\n\n{name}\n{desk.public_url}{link}\n"
    desk.deliver(told, to, f"{told.title}: {name}", text)
