"""Once a minute: requests that expired or became pointless are closed, and a yes whose effect was lost is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from chalicelib.domain.approval import Approval, ApprovalStatus, closed
from chalicelib.domain.errors import AppError
from chalicelib.ports_queue import ApprovalStore
from chalicelib.use_cases.decide_approval import Effect, carry_out

# A decision younger than this is still being carried out by whoever took it.
_GRACE = timedelta(seconds=60)


def tidy_approvals(*, approvals: ApprovalStore, effects: Mapping[str, Effect], now: datetime) -> int:
    """How many were closed or carried out. What fails or loses a race is found again in a minute."""
    return sum(_tidied(each, approvals, effects, now) for each in approvals.open())


def _tidied(
    approval: Approval, approvals: ApprovalStore, effects: Mapping[str, Effect], now: datetime
) -> bool:
    try:
        if approval.status is ApprovalStatus.APPROVED:
            if approval.decided_at is not None and now - approval.decided_at < _GRACE:
                return False
            carry_out(approval, approvals=approvals, effects=effects)
            return True
        after = _closed(approval, effects, now)
        if after is not None:
            approvals.save(after, expected=approval)
    except AppError:
        return False
    return after is not None


def _closed(approval: Approval, effects: Mapping[str, Effect], now: datetime) -> Approval | None:
    if approval.is_expired(now):
        return closed(approval, ApprovalStatus.EXPIRED)
    pointless = effects[approval.kind].pointless(approval)
    return closed(approval, ApprovalStatus.OBSOLETE, pointless) if pointless else None
