"""Approvals as the API shows them: contracts/examples/approval.json, approvals.json."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chalicelib.domain.approval import Approval, ApprovalStatus
from chalicelib.views import person_json
from chalicelib.views_catalog import iso


def approval_json(approval: Approval, now: datetime) -> dict[str, Any]:
    """A request that expired is shown as expired, whether or not that is written yet. No token, and no hash of one."""
    late = approval.status is ApprovalStatus.PENDING and approval.is_expired(now)
    return {
        "id": approval.id,
        "kind": approval.kind,
        "subject": approval.subject,
        "asked": dict(approval.payload),
        "requested_by": person_json(approval.requested_by),
        "requested_at": iso(approval.requested_at),
        "expires_at": iso(approval.expires_at),
        "status": (ApprovalStatus.EXPIRED if late else approval.status).value,
        "decided_by": None if approval.decided_by is None else person_json(approval.decided_by),
        "decided_at": None if approval.decided_at is None else iso(approval.decided_at),
        "by_link": approval.by_link,
        "reason": approval.reason or None,
        "outcome": None if approval.outcome is None else dict(approval.outcome),
        "page": f"/approvals/{approval.id}",
    }


def approvals_json(page: Sequence[Approval], cursor: str | None, now: datetime) -> dict[str, Any]:
    return {"approvals": [approval_json(each, now) for each in page], "cursor": cursor}
