"""A manager's yes or no to something that was asked: once. What follows from it is the business of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.approval import Approval, ApprovalStatus, closed, decided, refuse_unless_pending
from chalicelib.domain.errors import NotFound, StaleWrite, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.ids import is_id
from chalicelib.ports import AuditLog
from chalicelib.ports_queue import ApprovalStore
from chalicelib.use_cases.again import again


@dataclass(frozen=True, slots=True)
class Effect:
    """What a kind of approval does. Each may be called twice.

    pointless: why deciding makes no sense any more, or empty. carry_out: the outcome, or None when it came too late.
    """

    pointless: Callable[[Approval], str]
    carry_out: Callable[[Approval], Mapping[str, Any] | None]
    tell_denied: Callable[[Approval], None]


def decide_approval(
    approval_id: str,
    *,
    approve: bool,
    reason: str,
    decider: User,
    by_link: bool,
    approvals: ApprovalStore,
    effects: Mapping[str, Effect],
    audit: AuditLog,
    now: datetime,
) -> Approval:
    """The decided approval, carried out. WrongStatus when it was decided, has expired, or has become pointless."""

    def once() -> Approval:
        before = the_approval(approvals, approval_id)
        refuse_unless_pending(before, now)
        pointless = effects[before.kind].pointless(before)
        if pointless:
            approvals.save(closed(before, ApprovalStatus.OBSOLETE, pointless), expected=before)
            raise WrongStatus(pointless, {"status": ApprovalStatus.OBSOLETE.value})
        after = decided(
            before, approve=approve, by=decider.as_person(), by_link=by_link, reason=reason, now=now
        )
        return approvals.save(after, expected=before)

    after = again(once)
    audit.record(
        at=now,
        actor_id=decider.id,
        action=f"approval.{after.status.value}",
        subject=after.id,
        details={"kind": after.kind, "subject": after.subject, "reason": reason, "by_link": by_link},
    )
    if approve:
        return carry_out(after, approvals=approvals, effects=effects)
    effects[after.kind].tell_denied(after)
    return after


def carry_out(approval: Approval, *, approvals: ApprovalStore, effects: Mapping[str, Effect]) -> Approval:
    """What a yes does; done once more when its end was not written. WrongStatus when it came too late."""
    outcome = effects[approval.kind].carry_out(approval)
    if outcome is None:
        late = "It came too late: what was asked is no longer possible."
        _save(approvals, closed(approval, ApprovalStatus.OBSOLETE, late), approval)
        raise WrongStatus(late, {"status": ApprovalStatus.OBSOLETE.value})
    return _save(approvals, replace(approval, outcome=outcome), approval)


def _save(approvals: ApprovalStore, after: Approval, expected: Approval) -> Approval:
    try:
        return approvals.save(after, expected=expected)
    except StaleWrite:
        # Someone else carried it out at the same time.
        return the_approval(approvals, after.id)


def the_approval(approvals: ApprovalStore, approval_id: str) -> Approval:
    approval = approvals.get(approval_id) if is_id("apr", approval_id) else None
    if approval is None:
        raise NotFound("There is no such request.")
    return approval
