"""In-memory classes of the ports. Each passes the same contract suite as its adapter (tests/contracts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.job import UNDER_WAY, Job
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.progress import LogEvent, Progress
from chalicelib.domain.queue import Slots, queue_key
from chalicelib.domain.rollups import RollUp

from tests.fakes_listed import FakeListed, check, raised
from tests.fakes_records import (
    FakeAudit,
    FakeBudgets,
    FakeCosts,
    FakeNotifications,
    FakeNotifier,
    FakeSettings,
    FakeTerminations,
    FakeTokens,
    FakeUsers,
)

__all__ = [
    "START",
    "FakeAttempts",
    "FakeAudit",
    "FakeBudgets",
    "FakeClock",
    "FakeCosts",
    "FakeDatasets",
    "FakeJobs",
    "FakeModels",
    "FakeNotifications",
    "FakeNotifier",
    "FakeProgress",
    "FakeSettings",
    "FakeTerminations",
    "FakeTokens",
    "FakeUsers",
    "FakeWorkflow",
]

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class FakeJobs:
    def __init__(self) -> None:
        self.rows: dict[str, Job] = {}
        self.deleted: dict[str, datetime] = {}
        self._slots = Slots()
        self.clock = FakeClock()

    def get(self, job_id: str) -> Job | None:
        return self.rows.get(job_id)

    def save(self, after: Job, *, expected: Job | None) -> Job:
        check(self.rows.get(after.id), expected)
        saved: Job = raised(after, expected)
        self.rows[after.id] = saved
        return saved

    def save_with_slots(
        self, after: Job, *, expected: Job, slots: Slots, expected_slots: Slots
    ) -> tuple[Job, Slots]:
        check(self.rows.get(after.id), expected)
        check(self._slots, expected_slots)
        self.rows[after.id] = saved = raised(after, expected)
        self._slots = raised(slots, expected_slots)
        return saved, self._slots

    def slots(self) -> Slots:
        return self._slots

    def delete(self, job: Job) -> None:
        check(self.rows.get(job.id), job)
        del self.rows[job.id]
        self.deleted[job.id] = datetime.now(UTC)

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        found = [job for job in self.rows.values() if job.status.value == status]
        return sorted(found, key=queue_key)[:limit]

    def under_way_with(self, dataset_id: str) -> Sequence[Job]:
        jobs = sorted(self.rows.values(), key=lambda job: job.id)
        return [job for job in jobs if job.dataset.id == dataset_id and job.status in UNDER_WAY]

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
        self.rolled: dict[str, dict[tuple[int, int], RollUp]] = {}

    def get(self, job_id: str) -> Progress | None:
        return self.rows.get(job_id)

    def save(
        self,
        after: Progress,
        *,
        expected: Progress | None,
        events: Sequence[LogEvent] = (),
        block: PointBlock | None = None,
        rollups: Sequence[RollUp] = (),
    ) -> Progress:
        check(self.rows.get(after.job_id), expected)
        saved: Progress = raised(after, expected)
        self.rows[after.job_id] = saved
        for event in events:
            self.log.setdefault(after.job_id, {})[event.number] = event
        if block is not None:
            self.points.setdefault(after.job_id, {})[block.revision] = block
        for rollup in rollups:
            self.rolled.setdefault(after.job_id, {})[rollup.level, rollup.revision] = rollup
        return saved

    def events(self, job_id: str, after: int = -1, limit: int | None = None) -> Sequence[LogEvent]:
        log = self.log.get(job_id, {})
        return [log[number] for number in sorted(log) if number > after][:limit]

    def blocks(
        self, job_id: str, after_revision: int = 0, up_to_revision: int | None = None
    ) -> Sequence[PointBlock]:
        points = self.points.get(job_id, {})
        last = max(points, default=0) if up_to_revision is None else up_to_revision
        return [points[revision] for revision in sorted(points) if after_revision < revision <= last]

    def rollups(self, job_id: str, level: int, after: int, up_to: int) -> Sequence[RollUp]:
        known = self.rolled.get(job_id, {})
        wanted = sorted(key for key in known if key[0] == level and after < key[1] <= up_to)
        return [known[key] for key in wanted]

    def delete(self, job_id: str) -> None:
        self.rows.pop(job_id, None)
        self.log.pop(job_id, None)
        self.points.pop(job_id, None)
        self.rolled.pop(job_id, None)


class FakeAttempts:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Attempt] = {}

    def get(self, job_id: str, number: int) -> Attempt | None:
        return self.rows.get((job_id, number))

    def of_job(self, job_id: str) -> Sequence[Attempt]:
        return [self.rows[key] for key in sorted(self.rows) if key[0] == job_id]

    def save(self, after: Attempt, *, expected: Attempt | None) -> Attempt:
        key = (after.job_id, after.number)
        check(self.rows.get(key), expected)
        saved: Attempt = raised(after, expected)
        self.rows[key] = saved
        return saved


class FakeDatasets(FakeListed):
    pass


class FakeModels(FakeListed):
    pass


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
