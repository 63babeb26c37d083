"""The part of the model world that keeps its money: books, budget, bills, warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.budget import Standing
from chalicelib.domain.job import Job
from chalicelib.domain.progress import Progress
from chalicelib.settings import DEFAULT_TIMINGS
from chalicelib.use_cases.heal_budget import heal_budget
from chalicelib.use_cases.sample_price import sample_price
from chalicelib.use_cases.settle_bills import Auditor, Settled, settle_bills
from chalicelib.use_cases.tell import tell

from tests.fakes import (
    FakeAttempts,
    FakeAudit,
    FakeBudgets,
    FakeClock,
    FakeCosts,
    FakeJobs,
    FakeNotifications,
    FakeNotifier,
    FakeProgress,
)
from tests.fakes_gpu import FakeGpuCloud
from tests.lifecycle.steps import DEPLOYMENT


@dataclass
class Accounts:
    clock: FakeClock = field(default_factory=FakeClock)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    progress: FakeProgress = field(default_factory=FakeProgress)
    attempts: FakeAttempts = field(default_factory=FakeAttempts)
    costs: FakeCosts = field(default_factory=FakeCosts)
    budgets: FakeBudgets = field(default_factory=FakeBudgets)
    audit: FakeAudit = field(default_factory=FakeAudit)
    notifications: FakeNotifications = field(default_factory=FakeNotifications)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    timings: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_TIMINGS))
    cloud: FakeGpuCloud = field(init=False)

    def heal_budget(self) -> Standing:
        return heal_budget(
            budgets=self.budgets,
            costs=self.costs,
            jobs=self.jobs,
            notifier=self.notifier,
            audit=self.audit,
            now=self.clock.now,
        )

    def settle_bills(self) -> Settled:
        return settle_bills(
            Auditor(
                DEPLOYMENT,
                self.jobs,
                self.progress,
                self.attempts,
                self.costs,
                self.cloud,
                self.audit,
                self.timings,
                self.clock.now,
            )
        )

    def warn(self, kind: str, job: Job, at: datetime, detail: str) -> None:
        tell(
            kind,
            job=job,
            now=at,
            notifications=self.notifications,
            notifier=self.notifier,
            public_url="https://lora.example",
            detail=detail,
        )

    def look_at_price(self, job_id: str) -> Progress | None:
        return sample_price(
            job_id,
            jobs=self.jobs,
            attempts=self.attempts,
            progress=self.progress,
            cloud=self.cloud,
            warn=self.warn,
            now=self.clock.now,
        )
