"""Asks a manager to move a waiting job to the front of the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain import news, queue_words
from chalicelib.domain.approval import EXPIRES_AFTER, Approval, addressed, link_token
from chalicelib.domain.catalogue import promotion_reason_label
from chalicelib.domain.errors import NotAllowed, StaleWrite, ValidationFailed, WrongStatus
from chalicelib.domain.identity import Role, User
from chalicelib.domain.ids import new_id
from chalicelib.domain.job import Job
from chalicelib.domain.notification import Notification
from chalicelib.domain.person import Person
from chalicelib.domain.queue import waiting_since
from chalicelib.domain.queue_forecast import Impact
from chalicelib.ports import AuditLog, JobStore, NotificationStore, Notifier, ProgressStore, UserStore
from chalicelib.ports_queue import ApprovalStore, QueueEventStore
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.read_queue import QueueNow, read_queue
from chalicelib.use_cases.say import say
from chalicelib.use_cases.tell import deliver

KIND = "promotion"
JUSTIFICATION_CHARACTERS = (100, 500)


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports that approvals work with. link_key: the deployment's secret, which signs the mailed links."""

    jobs: JobStore
    progress: ProgressStore
    users: UserStore
    approvals: ApprovalStore
    queue_events: QueueEventStore
    notifications: NotificationStore
    notifier: Notifier
    audit: AuditLog
    limit: int
    public_url: str
    link_key: bytes

    def queue(self, now: datetime) -> QueueNow:
        return read_queue(jobs=self.jobs, progress=self.progress, limit=self.limit, now=now)

    def deliver(self, told: Notification, to: Person, subject: str, text: str) -> bool:
        return deliver(
            told,
            to=to,
            subject=subject,
            text=text,
            notifications=self.notifications,
            notifier=self.notifier,
            users=self.users,
        )


def request_promotion(
    job_id: str, reason: str, justification: str, *, user: User, desk: Desk, now: datetime
) -> Approval:
    """The approval that waits for a manager. WrongStatus when the job does not wait, is first, or was asked for."""
    job = the_job(desk.jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may ask for its promotion.")
    label = _checked(reason, justification)
    impact = desk.queue(now).impact(job_id)
    if impact is None:
        raise WrongStatus(
            "Only a job that waits in the queue can be moved to its front.", {"status": job.status.value}
        )
    if impact.position == 1:
        raise WrongStatus("The job is first in the queue already.", {"status": job.status.value})
    earlier = desk.approvals.of_subject(job_id)
    _refuse_second(earlier, now)
    approval = _made(job, impact, (reason, label, justification), user, len(earlier), now)
    approvers = [
        each.as_person() for each in desk.users.all() if each.active and each.role.covers(Role.MANAGER)
    ]
    approval = addressed(approval, tuple(approvers), desk.link_key)
    try:
        saved = desk.approvals.save(approval, expected=None)
    except StaleWrite as error:
        raise WrongStatus("The promotion of this job was asked for at this very moment.") from error
    desk.audit.record(
        at=now, actor_id=user.id, action="promotion.request", subject=job_id, details=dict(saved.payload)
    )
    say(
        desk.progress,
        job_id,
        now,
        "info",
        f"{user.name} asked to move this job to the front of the queue: {label}",
        {"approval_id": saved.id, "position": impact.position, "reason": reason},
    )
    for approver in saved.approvers:
        _ask(saved, approver.person, job, desk)
    return saved


def _checked(reason: str, justification: str) -> str:
    """The reason's label."""
    problems: dict[str, list[str]] = {}
    label = promotion_reason_label(reason)
    if label is None:
        problems["reason"] = ["Choose one of the listed reasons."]
    least, most = JUSTIFICATION_CHARACTERS
    if not least <= len(justification) <= most:
        problems["justification"] = [f"Write {least} to {most} characters; this has {len(justification)}."]
    if problems or label is None:
        raise ValidationFailed(problems)
    return label


def _refuse_second(earlier: Sequence[Approval], now: datetime) -> None:
    waiting = [each for each in earlier if each.kind == KIND and each.is_open and not each.is_expired(now)]
    if waiting:
        raise WrongStatus(
            "A manager was already asked to move this job to the front.", {"approval_id": waiting[0].id}
        )


def _made(
    job: Job, impact: Impact, words: tuple[str, str, str], user: User, earlier: int, now: datetime
) -> Approval:
    # The same id for two requests at once, so that the second one finds the first.
    digest = hashlib.sha256(f"{KIND} {job.id} {waiting_since(job).isoformat()} {earlier}".encode()).digest()
    reason, label, justification = words
    payload: dict[str, Any] = {
        "job_name": job.name,
        "reason": reason,
        "reason_label": label,
        "justification": justification,
        "old_position": impact.position,
        "new_position": 1,
        "delayed_jobs": impact.delayed_jobs,
        "delay_minutes": round(impact.delay.total_seconds() / 60),
        "impact": queue_words.delay_sentence(impact.delayed_jobs, impact.delay),
        "queued_at": waiting_since(job).isoformat(),
    }
    return Approval(
        id=new_id("apr", digest),
        kind=KIND,
        subject=job.id,
        payload=payload,
        requested_by=user.as_person(),
        requested_at=now,
        expires_at=now + EXPIRES_AFTER,
    )


def _ask(approval: Approval, to: Person, job: Job, desk: Desk) -> None:
    asked = approval.payload
    message = (
        f"{approval.requested_by.name} asks to move {job.name} to the front of the queue "
        f"(#{asked['old_position']} → #{asked['new_position']}): {asked['reason_label']}"
    )
    told = news.note(
        "promotion_requested",
        to=to,
        at=approval.requested_at,
        message=message,
        link=f"/approvals/{approval.id}",
        key=approval.id,
    )
    # The token stands behind the #: browsers do not send that part, so it is in no server's log.
    page = f"{desk.public_url}/approvals/{approval.id}"
    token = link_token(approval, to.id, desk.link_key)
    desk.deliver(
        told,
        to,
        f"Priority Queue Request: {job.name}",
        f"Priority Queue Request\n\n"
        f"Job: {job.name}\n"
        f"Requester: {approval.requested_by.name} ({approval.requested_by.email})\n"
        f"Reason: {asked['reason_label']}\n"
        f"Justification: {asked['justification']}\n"
        f"Queue position: #{asked['old_position']} → #{asked['new_position']}\n"
        f"Impact: {asked['impact']}\n\n"
        f"Approve: {page}#decision=approve&token={token}\n"
        f"Deny: {page}#decision=deny&token={token}\n\n"
        f"The links are for you alone, work once, and expire on {approval.expires_at:%Y-%m-%d %H:%M} UTC.\n",
    )
