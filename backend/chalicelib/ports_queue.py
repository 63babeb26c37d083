"""The queue's own stores, as Protocols: its history, and what waits for a manager's decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from chalicelib.domain.approval import Approval
from chalicelib.domain.queue_history import QueueEvent


class QueueEventStore(Protocol):
    def add(self, event: QueueEvent) -> None:
        """Keyed by time, kind and job: the same fact added again changes nothing."""
        ...

    def of_day(self, day: date) -> Sequence[QueueEvent]:
        """Of one UTC day, oldest first."""
        ...

    def of_month(self, month: str, *, before: str | None, limit: int) -> Sequence[QueueEvent]:
        """Of a month such as 2026-11, newest first, with a key below `before`."""
        ...


class ApprovalStore(Protocol):
    def get(self, approval_id: str) -> Approval | None: ...

    def save(self, after: Approval, *, expected: Approval | None) -> Approval: ...

    def of_subject(self, subject: str) -> Sequence[Approval]:
        """Newest first."""
        ...

    def open(self) -> Sequence[Approval]:
        """Undecided, or approved and not carried out yet; oldest first."""
        ...

    def of_status(self, status: str, *, before: str | None, limit: int) -> Sequence[Approval]:
        """Newest first, with a `cursor_of` below `before`. Open ones are in `open`, whatever their status."""
        ...


def cursor_of(approval: Approval) -> str:
    return f"{approval.requested_at.isoformat()}#{approval.id}"
