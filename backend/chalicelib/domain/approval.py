"""Something that one person asks and a manager decides: once, before it expires, signed in or by a mailed link.

An approval knows its kind, its subject and what exactly is asked (`payload`); what follows from a yes is the business of
the kind. Between the yes and its effect the approval stays open, so that an effect that was lost is made good.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.person import Person

EXPIRES_AFTER = timedelta(hours=48)


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    # What was asked has become pointless: the job left the queue.
    OBSOLETE = "obsolete"


@dataclass(frozen=True, slots=True)
class Approver:
    """Who was mailed. Of the link's token only the hash is kept."""

    person: Person
    token_hash: str


@dataclass(frozen=True, slots=True)
class Approval:
    """payload: JSON-ready facts of what is asked; never changed after the request. outcome: what a yes did."""

    id: str
    kind: str
    subject: str
    payload: Mapping[str, Any]
    requested_by: Person
    requested_at: datetime
    expires_at: datetime
    approvers: tuple[Approver, ...] = ()
    status: ApprovalStatus = ApprovalStatus.PENDING
    decided_by: Person | None = None
    decided_at: datetime | None = None
    by_link: bool = False
    reason: str = ""
    outcome: Mapping[str, Any] | None = None
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Something is still to be done: to decide, or to carry out."""
        carried_out = self.status is not ApprovalStatus.APPROVED or self.outcome is not None
        return self.status is ApprovalStatus.PENDING or not carried_out

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at


def link_token(approval: Approval, approver_id: str, key: bytes) -> str:
    """43 URL-safe characters: HMAC-SHA256 over everything that is asked, of whom, and until when.

    Made from the facts, so a mail sent again carries the same one; and worthless for any other request or person.
    """
    asked = [
        approval.id,
        approval.kind,
        approval.subject,
        approval.payload,
        approval.requested_by.id,
        approval.requested_at.isoformat(),
        approval.expires_at.isoformat(),
        approver_id,
    ]
    text = "approval-link-1 " + json.dumps(asked, sort_keys=True)
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).decode().rstrip("=")


def hash_of(token: str) -> str:
    """SHA-256, hexadecimal: 256 bits that only the key's owner can make need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def addressed(approval: Approval, approvers: tuple[Person, ...], key: bytes) -> Approval:
    """With the hash of each approver's own link."""
    return replace(
        approval,
        approvers=tuple(
            Approver(person, hash_of(link_token(approval, person.id, key))) for person in approvers
        ),
    )


def approver_of(approval: Approval, token: str, key: bytes) -> Person | None:
    """Whose link this is. The stored hash and what is asked now must both fit the token."""
    given = hash_of(token)
    for approver in approval.approvers:
        kept = hmac.compare_digest(approver.token_hash, given)
        signed = hmac.compare_digest(hash_of(link_token(approval, approver.person.id, key)), given)
        if kept and signed:
            return approver.person
    return None


def refuse_unless_pending(approval: Approval, now: datetime) -> None:
    """WrongStatus that says what became of it."""
    status = approval.status
    details = {"status": status.value}
    if status in {ApprovalStatus.APPROVED, ApprovalStatus.DENIED}:
        who = approval.decided_by.name if approval.decided_by else "someone"
        raise WrongStatus(f"This request was already {status.value} by {who}.", details)
    if status is ApprovalStatus.EXPIRED or (status is ApprovalStatus.PENDING and approval.is_expired(now)):
        raise WrongStatus("This request has expired. It can be made again.", {"status": "expired"})
    if status is ApprovalStatus.OBSOLETE:
        raise WrongStatus(approval.reason or "This request has become pointless.", details)


def decided(
    approval: Approval, *, approve: bool, by: Person, by_link: bool, reason: str, now: datetime
) -> Approval:
    """WrongStatus when it was decided, has expired or has become pointless."""
    refuse_unless_pending(approval, now)
    status = ApprovalStatus.APPROVED if approve else ApprovalStatus.DENIED
    return replace(approval, status=status, decided_by=by, decided_at=now, by_link=by_link, reason=reason)


def closed(approval: Approval, status: ApprovalStatus, reason: str = "") -> Approval:
    """Expired or obsolete."""
    return replace(approval, status=status, reason=reason)
