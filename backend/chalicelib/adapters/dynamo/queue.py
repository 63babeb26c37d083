"""The queue's history, and approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.queue_tables import ApprovalItem, QueueEventItem
from chalicelib.domain.approval import Approval
from chalicelib.domain.queue_history import QueueEvent
from chalicelib.ports_queue import cursor_of

_OPEN = "open"


@d.translating
class DynamoQueueEvents:
    def __init__(self, prefix: str) -> None:
        self._events: Any = d.bind(QueueEventItem, prefix)

    def add(self, event: QueueEvent) -> None:
        self._events(month=event.month, key=event.key, document=d.dump(event)).save()

    def of_day(self, day: date) -> Sequence[QueueEvent]:
        rows = self._events.query(f"{day:%Y-%m}", self._events.key.startswith(day.isoformat()))
        return [d.load(QueueEvent, row.document) for row in rows]

    def of_month(self, month: str, *, before: str | None, limit: int) -> Sequence[QueueEvent]:
        below = None if before is None else self._events.key < before
        rows = self._events.query(month, below, limit=limit, scan_index_forward=False)
        return [d.load(QueueEvent, row.document) for row in rows]


@d.translating
class DynamoApprovals:
    def __init__(self, prefix: str) -> None:
        self._approvals: Any = d.bind(ApprovalItem, prefix)

    def get(self, approval_id: str) -> Approval | None:
        found: Approval | None = d.fetch(self._approvals, Approval, approval_id)
        return found

    def save(self, after: Approval, *, expected: Approval | None) -> Approval:
        return d.save(self._approvals, after, expected, _keys)

    def of_subject(self, subject: str) -> Sequence[Approval]:
        rows = self._approvals.by_subject.query(subject, scan_index_forward=False)
        return [d.load(Approval, row.document) for row in rows]

    def open(self) -> Sequence[Approval]:
        return [d.load(Approval, row.document) for row in self._approvals.by_shelf.query(_OPEN)]

    def of_status(self, status: str, *, before: str | None, limit: int) -> Sequence[Approval]:
        below = None if before is None else self._approvals.asked < before
        rows = self._approvals.by_shelf.query(status, below, limit=limit, scan_index_forward=False)
        return [d.load(Approval, row.document) for row in rows]


def _keys(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "subject": approval.subject,
        "shelf": _OPEN if approval.is_open else approval.status.value,
        "asked": cursor_of(approval),
    }
