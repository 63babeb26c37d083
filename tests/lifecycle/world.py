"""A whole deployment in memory: the real use cases over fakes, the real state machine, one clock for all of them.

The functions of `World` mirror routes and schedules; those of `tests.lifecycle.steps` mirror steps/*.py.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import Attempt
from chalicelib.domain.configuration import GpuChoice
from chalicelib.domain.errors import AppError
from chalicelib.domain.gpu import Pod, Tier
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.progress import Progress
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.cancel_job import cancel_job
from chalicelib.use_cases.dispatch_queue import dispatch_queue
from chalicelib.use_cases.expire_pauses import expire_pauses
from chalicelib.use_cases.pause_job import pause_job
from chalicelib.use_cases.provision_pod import Desk, Landlord
from chalicelib.use_cases.read_track_record import read_track_record
from chalicelib.use_cases.record_events import Inbox
from chalicelib.use_cases.settle_job import Books, settle_job
from chalicelib.use_cases.sweep_pods import Broom, Swept, sweep_pods
from chalicelib.use_cases.tell import tell

from tests.backend.datasets.fake_files import FakeFiles
from tests.builders import DANA, a_job
from tests.fakes import FakeModels, FakeSettings, FakeTerminations
from tests.fakes_gpu import FakeGpuCloud
from tests.lifecycle.accounts import Accounts
from tests.lifecycle.machine import Machine
from tests.lifecycle.steps import DEPLOYMENT, step_lambdas

H100 = GpuChoice("NVIDIA H100 80GB HBM3", "H100 80GB", 1, Tier.SPOT)
BASE_MODEL = {
    "id": "tiny-llama",
    "name": "Tiny Llama",
    "hub_id": "lora-pipeline/tiny-llama",
    "revision": "recipe-1",
    "license": "mit",
    "context_length": 2048,
    "parameters": 1_000_000,
}


@dataclass
class World(Accounts):
    terminations: FakeTerminations = field(default_factory=FakeTerminations)
    models: FakeModels = field(default_factory=FakeModels)
    files: FakeFiles = field(default_factory=FakeFiles)
    documents: FakeSettings = field(default_factory=FakeSettings)
    limit: int = 3
    machine: Machine = field(init=False)
    _fences: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.cloud = FakeGpuCloud(self.clock)
        self.machine = Machine(self.clock)
        self.machine.lambdas = step_lambdas(self)

    # --- what people and schedules do -------------------------------------------------------------------

    def submit(self, number: int = 1, **changes: Any) -> str:
        """A job in the queue, not yet dispatched."""
        draft = a_job(number, at=self.clock.now, **changes)
        configured = replace(draft, configuration=replace(draft.configuration, gpu=H100))
        self.jobs.save(transitions.start(configured, self.clock.now), expected=None)
        return configured.id

    def dispatch(self) -> list[str]:
        started = dispatch_queue(
            jobs=self.jobs,
            workflow=self.machine,
            timings=self.timings,
            limit=self.limit,
            documents=self.documents,
            now=self.clock.now,
        )
        self.machine.work()
        return started

    def running(self, number: int = 1, **changes: Any) -> str:
        """A job whose pod is rented and has not called home."""
        job_id = self.submit(number, **changes)
        self.dispatch()
        return job_id

    def cancel(self, job_id: str, user: User = DANA) -> Job:
        try:
            job = cancel_job(
                job_id,
                reason="not_improving",
                notes=None,
                user=user,
                jobs=self.jobs,
                progress=self.progress,
                workflow=self.machine,
                audit=self.audit,
                now=self.clock.now,
            )
        except AppError:
            self._tell_cancelled(self.jobs.get(job_id))
            raise
        self._tell_cancelled(job)
        self.machine.work()
        return job

    def _tell_cancelled(self, job: Job | None) -> None:
        if job is not None and job.status is transitions.JobStatus.CANCELLED:
            self.tell("job_cancelled", job)

    def pause(self, job_id: str, user: User = DANA) -> Job:
        job = pause_job(
            job_id,
            user=user,
            jobs=self.jobs,
            progress=self.progress,
            workflow=self.machine,
            audit=self.audit,
            now=self.clock.now,
        )
        self.machine.work()
        return job

    def expire_pauses(self) -> list[str]:
        """The jobs that ended."""
        expired = expire_pauses(
            jobs=self.jobs,
            progress=self.progress,
            documents=self.documents,
            files=self.files,
            tell=self.tell,
            now=self.clock.now,
        )
        return list(expired.ended)

    def sweep(self) -> Swept:
        swept = sweep_pods(self.broom())
        self.heal_budget()
        self.machine.work()
        self.dispatch()
        return swept

    def pass_minutes(self, minutes: int) -> None:
        """The minute schedule beside the passing of time. A sweep that fails is tried again a minute later."""
        for _ in range(minutes):
            self.machine.advance(60)
            try:
                self.sweep()
            except AppError:
                self.dispatch()

    # --- reading ----------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        return the_job(self.jobs, job_id)

    def row(self, job_id: str) -> Progress:
        row = self.progress.get(job_id)
        assert row is not None
        return row

    def attempt(self, job_id: str) -> Attempt:
        found = self.attempts.get(job_id, self.job(job_id).attempt)
        assert found is not None
        return found

    def pods(self, job_id: str) -> list[Pod]:
        """Billed pods of the job, whatever any list shows."""
        return [pod for pod in self.cloud.billed_pods.values() if f"-{job_id}-" in pod.name]

    def state(self, job_id: str) -> str:
        """Where the newest execution of the job stands."""
        execution = self.machine.executions[f"{job_id}-r{self.job(job_id).run}"]
        return execution.state

    def told(self) -> list[str]:
        return [row.type for row in self.notifications.rows.values()]

    def said(self, job_id: str) -> list[str]:
        return [event.message for event in self.progress.events(job_id)]

    def points(self, job_id: str) -> list[int]:
        return [int(row["step"]) for block in self.progress.blocks(job_id) for row in block.rows]

    # --- the parts --------------------------------------------------------------------------------------

    def tell(self, kind: str, job: Job) -> None:
        tell(
            kind,
            job=job,
            now=self.clock.now,
            notifications=self.notifications,
            notifier=self.notifier,
            public_url="https://lora.example",
        )

    def inbox(self) -> Inbox:
        return Inbox(
            self.jobs,
            self.progress,
            self.files,
            self.machine,
            lambda job: self.tell("job_started", job),
            self.warn,
            self.look_at_price,
            self.timings,
        )

    def books(self) -> Books:
        return Books(
            self.jobs,
            self.progress,
            self.attempts,
            self.terminations,
            self.costs,
            self.files,
            self.tell,
            self.budgets,
        )

    def settle(self, job_id: str, run: int) -> dict[str, Any]:
        return settle_job(job_id, run, books=self.books(), timings=self.timings, now=self.clock.now)

    def broom(self) -> Broom:
        return Broom(
            DEPLOYMENT,
            self.jobs,
            self.progress,
            self.attempts,
            self.terminations,
            self.cloud,
            self.machine,
            self.notifier,
            self.settle,
            self.timings,
            self.clock.now,
            self.costs,
            self.warn,
        )

    def desk(self) -> Desk:
        return Desk(
            self.jobs,
            self.progress,
            self.attempts,
            self.cloud,
            self.clock,
            lambda: f"{next(self._fences):08x}",
            lambda seconds: (self.clock.advance(seconds), None)[1],
            self.documents,
            self.notifier,
        )

    def landlord(self) -> Landlord:
        return Landlord(
            DEPLOYMENT,
            "https://lora.example",
            "trainer:1",
            "master",
            None,
            self.timings,
            self.cloud.catalogue(),
            BASE_MODEL,
            read_track_record(jobs=self.jobs, documents=self.documents, now=self.clock.now),
        )
