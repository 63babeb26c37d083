"""In-memory classes of the ports. Each passes the same contract suite as its adapter (tests/contracts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.cost import CostRecord
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.identity import ApiToken, User
from chalicelib.domain.job import Job
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.notification import Notification
from chalicelib.domain.progress import LogEvent, Progress
from chalicelib.domain.queue import Slots
from chalicelib.domain.termination import Termination

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def _check(present: Any, expected: Any) -> None:
    if (None if present is None else present.version) != (None if expected is None else expected.version):
        raise StaleWrite("Someone else changed this meanwhile. Reload and try again.")


def _raised(after: Any, expected: Any) -> Any:
    return replace(after, version=1 if expected is None else expected.version + 1)


class FakeJobs:
    def __init__(self) -> None:
        self.rows: dict[str, Job] = {}
        self.deleted: dict[str, datetime] = {}
        self._slots = Slots()
        self.clock = FakeClock()

    def get(self, job_id: str) -> Job | None:
        return self.rows.get(job_id)

    def save(self, after: Job, *, expected: Job | None) -> Job:
        _check(self.rows.get(after.id), expected)
        saved: Job = _raised(after, expected)
        self.rows[after.id] = saved
        return saved

    def save_with_slots(
        self, after: Job, *, expected: Job, slots: Slots, expected_slots: Slots
    ) -> tuple[Job, Slots]:
        _check(self.rows.get(after.id), expected)
        _check(self._slots, expected_slots)
        self.rows[after.id] = saved = _raised(after, expected)
        self._slots = _raised(slots, expected_slots)
        return saved, self._slots

    def slots(self) -> Slots:
        return self._slots

    def delete(self, job: Job) -> None:
        _check(self.rows.get(job.id), job)
        del self.rows[job.id]
        self.deleted[job.id] = datetime.now(UTC)

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        found = [job for job in self.rows.values() if job.status.value == status]
        return sorted(found, key=lambda job: (job.queued_at or job.created_at, job.id))[:limit]

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        entries: list[tuple[datetime, Job | str]] = [(job.changed_at, job) for job in self.rows.values()]
        entries += [(at, job_id) for job_id, at in self.deleted.items()]
        entries = [entry for entry in entries if changed_at is None or entry[0] >= changed_at]
        return [job for _, job in sorted(entries, key=lambda entry: entry[0])[:limit]]


class FakeProgress:
    def __init__(self) -> None:
        self.rows: dict[str, Progress] = {}
        self.log: dict[str, dict[int, LogEvent]] = {}
        self.points: dict[str, dict[int, PointBlock]] = {}

    def get(self, job_id: str) -> Progress | None:
        return self.rows.get(job_id)

    def save(
        self,
        after: Progress,
        *,
        expected: Progress | None,
        events: Sequence[LogEvent] = (),
        block: PointBlock | None = None,
    ) -> Progress:
        _check(self.rows.get(after.job_id), expected)
        saved: Progress = _raised(after, expected)
        self.rows[after.job_id] = saved
        for event in events:
            self.log.setdefault(after.job_id, {})[event.number] = event
        if block is not None:
            self.points.setdefault(after.job_id, {})[block.revision] = block
        return saved

    def events(self, job_id: str, after: int = -1, limit: int | None = None) -> Sequence[LogEvent]:
        log = self.log.get(job_id, {})
        return [log[number] for number in sorted(log) if number > after][:limit]

    def blocks(self, job_id: str, after_revision: int = 0) -> Sequence[PointBlock]:
        points = self.points.get(job_id, {})
        return [points[revision] for revision in sorted(points) if revision > after_revision]

    def delete(self, job_id: str) -> None:
        self.rows.pop(job_id, None)
        self.log.pop(job_id, None)
        self.points.pop(job_id, None)


class FakeAttempts:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Attempt] = {}

    def get(self, job_id: str, number: int) -> Attempt | None:
        return self.rows.get((job_id, number))

    def of_job(self, job_id: str) -> Sequence[Attempt]:
        return [self.rows[key] for key in sorted(self.rows) if key[0] == job_id]

    def save(self, after: Attempt, *, expected: Attempt | None) -> Attempt:
        key = (after.job_id, after.number)
        _check(self.rows.get(key), expected)
        saved: Attempt = _raised(after, expected)
        self.rows[key] = saved
        return saved


class _FakeListed:
    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def get(self, thing_id: str) -> Any:
        return self.rows.get(thing_id)

    def save(self, after: Any, *, expected: Any) -> Any:
        _check(self.rows.get(after.id), expected)
        self.rows[after.id] = saved = _raised(after, expected)
        return saved

    def all(self) -> Sequence[Any]:
        shown = [row for row in self.rows.values() if str(getattr(row, "status", "")) != "deleted"]
        return sorted(shown, key=lambda row: row.created_at, reverse=True)


class FakeDatasets(_FakeListed):
    pass


class FakeModels(_FakeListed):
    pass


class FakeUsers(_FakeListed):
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
        _check(self.rows.get(after.hash), expected)
        saved: ApiToken = _raised(after, expected)
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


@dataclass
class FakeNotifier:
    mails: list[dict[str, str]] = field(default_factory=list)
    alerts: list[dict[str, str]] = field(default_factory=list)

    def mail(self, *, to: str, subject: str, text: str) -> None:
        self.mails.append({"to": to, "subject": subject, "text": text})

    def alert_operations(self, *, subject: str, text: str) -> None:
        self.alerts.append({"subject": subject, "text": text})


@dataclass
class FakeWorkflow:
    """Waits by token; a test reads how each one ended."""

    started: list[tuple[str, int]] = field(default_factory=list)
    running: set[tuple[str, int]] = field(default_factory=set)
    open_tokens: set[str] = field(default_factory=set)
    ended: dict[str, tuple[str, str]] = field(default_factory=dict)
    beats: list[str] = field(default_factory=list)

    def start(self, job_id: str, run: int, timings: Mapping[str, Any]) -> None:
        if (job_id, run) not in self.started:
            self.started.append((job_id, run))
            self.running.add((job_id, run))

    def end_wait(self, token: str, output: Mapping[str, Any]) -> bool:
        return self._end(token, "success", str(dict(output)))

    def fail_wait(self, token: str, error: str, cause: str) -> bool:
        return self._end(token, error, cause)

    def heartbeat(self, token: str) -> bool:
        if token not in self.open_tokens:
            return False
        self.beats.append(token)
        return True

    def is_running(self, job_id: str, run: int) -> bool:
        return (job_id, run) in self.running

    def _end(self, token: str, error: str, cause: str) -> bool:
        if token not in self.open_tokens:
            return False
        self.open_tokens.discard(token)
        self.ended[token] = (error, cause)
        return True
