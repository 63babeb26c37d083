"""In-memory classes of the smaller ports: people, feed, books, audit, settings, mail."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.budget import Budget
from chalicelib.domain.cost import CostRecord
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.identity import ApiToken, User
from chalicelib.domain.notification import Notification
from chalicelib.domain.termination import Termination

from tests.fakes_listed import FakeListed, check, raised


class FakeUsers(FakeListed):
    def by_email(self, email: str) -> User | None:
        return next((user for user in self.rows.values() if user.email.lower() == email.lower()), None)


class FakeTokens:
    def __init__(self) -> None:
        self.rows: dict[str, ApiToken] = {}

    def by_hash(self, token_hash: str) -> ApiToken | None:
        return self.rows.get(token_hash)

    def of_user(self, user_id: str) -> Sequence[ApiToken]:
        return sorted(
            (token for token in self.rows.values() if token.user_id == user_id),
            key=lambda token: token.created_at,
        )

    def save(self, after: ApiToken, *, expected: ApiToken | None) -> ApiToken:
        check(self.rows.get(after.hash), expected)
        saved: ApiToken = raised(after, expected)
        self.rows[after.hash] = saved
        return saved

    def delete(self, token: ApiToken) -> None:
        self.rows.pop(token.hash, None)


class FakeNotifications:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Notification] = {}

    def add(self, notification: Notification) -> bool:
        key = (notification.user_id, notification.id)
        if key in self.rows:
            return False
        self.rows[key] = notification
        return True

    def of_user(
        self, user_id: str, *, unread: bool, limit: int, before: str | None
    ) -> Sequence[Notification]:
        mine = [row for (owner, _), row in self.rows.items() if owner == user_id]
        mine = [row for row in mine if not (unread and row.read) and (before is None or row.id < before)]
        return sorted(mine, key=lambda row: row.id, reverse=True)[:limit]

    def unread_count(self, user_id: str) -> int:
        return len(self.of_user(user_id, unread=True, limit=10**9, before=None))

    def mark_read(self, user_id: str, notification_id: str) -> bool:
        row = self.rows.get((user_id, notification_id))
        if row is None:
            return False
        self.rows[(user_id, notification_id)] = replace(row, read=True)
        return True

    def mark_all_read(self, user_id: str) -> int:
        unread = self.of_user(user_id, unread=True, limit=10**9, before=None)
        for row in unread:
            self.mark_read(user_id, row.id)
        return len(unread)


class FakeTerminations:
    def __init__(self) -> None:
        self.rows: dict[str, Termination] = {}

    def add(self, termination: Termination) -> None:
        self.rows[termination.pod_name] = termination

    def open(self) -> Sequence[Termination]:
        return [self.rows[name] for name in sorted(self.rows)]

    def close(self, termination: Termination) -> None:
        self.rows.pop(termination.pod_name, None)


class FakeCosts:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], CostRecord] = {}

    def put(self, record: CostRecord) -> None:
        self.rows[(record.job_id, record.key)] = record

    def of_job(self, job_id: str) -> Sequence[CostRecord]:
        return [self.rows[key] for key in sorted(self.rows) if key[0] == job_id]

    def between(self, start: datetime, end: datetime) -> Sequence[CostRecord]:
        found = [line for line in self.rows.values() if start <= line.at < end]
        return sorted(found, key=lambda line: (line.at, line.job_id, line.key))


class FakeBudgets:
    def __init__(self) -> None:
        self._row = Budget()
        # Threads of a race test: compare and set is one step, as it is in the table.
        self._lock = threading.Lock()

    def get(self) -> Budget:
        return self._row

    def save(self, after: Budget, *, expected: Budget) -> Budget:
        with self._lock:
            check(self._row, expected)
            self._row = raised(after, expected)
            return self._row


@dataclass
class FakeAudit:
    lines: list[dict[str, Any]] = field(default_factory=list)

    def record(
        self,
        *,
        at: datetime,
        actor_id: str,
        action: str,
        subject: str,
        details: Mapping[str, Any],
        outcome: str = "success",
    ) -> None:
        self.lines.append(
            {
                "at": at,
                "actor_id": actor_id,
                "action": action,
                "subject": subject,
                "details": dict(details),
                "outcome": outcome,
            }
        )


class FakeSettings:
    def __init__(self) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}

    def get(self, name: str) -> Mapping[str, Any] | None:
        return self.rows.get(name)

    def put(self, name: str, document: Mapping[str, Any]) -> None:
        self.rows[name] = dict(document)

    def save(self, name: str, after: Mapping[str, Any], *, expected: Mapping[str, Any] | None) -> None:
        if self.rows.get(name) != expected:
            raise StaleWrite("Someone else changed this meanwhile. Reload and try again.")
        self.rows[name] = dict(after)


@dataclass
class FakeNotifier:
    mails: list[dict[str, str]] = field(default_factory=list)
    alerts: list[dict[str, str]] = field(default_factory=list)

    def mail(self, *, to: str, subject: str, text: str) -> None:
        self.mails.append({"to": to, "subject": subject, "text": text})

    def alert_operations(self, *, subject: str, text: str) -> None:
        self.alerts.append({"subject": subject, "text": text})
