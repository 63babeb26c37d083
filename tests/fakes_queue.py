"""In-memory classes of the queue's ports: history and approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from chalicelib.domain.approval import Approval
from chalicelib.domain.queue_history import QueueEvent
from chalicelib.ports_queue import cursor_of

from tests.fakes_listed import check, raised


class FakeQueueEvents:
    def __init__(self) -> None:
        self.rows: dict[str, QueueEvent] = {}

    def add(self, event: QueueEvent) -> None:
        self.rows[event.key] = event

    def of_day(self, day: date) -> Sequence[QueueEvent]:
        return [self.rows[key] for key in sorted(self.rows) if self.rows[key].day == day]

    def of_month(self, month: str, *, before: str | None, limit: int) -> Sequence[QueueEvent]:
        keys = [key for key, event in self.rows.items() if event.month == month]
        wanted = sorted((key for key in keys if before is None or key < before), reverse=True)
        return [self.rows[key] for key in wanted[:limit]]


class FakeApprovals:
    def __init__(self) -> None:
        self.rows: dict[str, Approval] = {}

    def get(self, approval_id: str) -> Approval | None:
        return self.rows.get(approval_id)

    def save(self, after: Approval, *, expected: Approval | None) -> Approval:
        check(self.rows.get(after.id), expected)
        saved: Approval = raised(after, expected)
        self.rows[after.id] = saved
        return saved

    def of_subject(self, subject: str) -> Sequence[Approval]:
        return [each for each in reversed(self._sorted()) if each.subject == subject]

    def open(self) -> Sequence[Approval]:
        return [each for each in self._sorted() if each.is_open]

    def of_status(self, status: str, *, before: str | None, limit: int) -> Sequence[Approval]:
        found = [each for each in reversed(self._sorted()) if each.status.value == status]
        return [each for each in found if not each.is_open and (before is None or cursor_of(each) < before)][
            :limit
        ]

    def _sorted(self) -> list[Approval]:
        return sorted(self.rows.values(), key=cursor_of)
