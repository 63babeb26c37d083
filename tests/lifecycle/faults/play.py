"""One world, its agents, its people and its schedules, ticking on one clock under a plan of faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chalicelib.domain import pausing
from chalicelib.domain.errors import AppError, WrongStatus
from chalicelib.domain.gpu import PodStatus
from chalicelib.domain.job import Job, JobStatus
from chalicelib.use_cases.again import change_job
from chalicelib.use_cases.dispatch_queue import dispatch_queue
from chalicelib.use_cases.sweep_pods import sweep_pods

from tests.fakes import START
from tests.lifecycle.faults.agent import Agent, Diary, newest, quietly
from tests.lifecycle.faults.at_rest import REST, unfinished
from tests.lifecycle.faults.effects import Kind, person, schedule
from tests.lifecycle.faults.injection import Injector, Plan, nothing_fails
from tests.lifecycle.faults.invariants import Violation, violations
from tests.lifecycle.faults.ledger import LedgerCloud
from tests.lifecycle.faults.observer import Observer
from tests.lifecycle.machine import LambdaDied, Machine
from tests.lifecycle.world import World

TICK_SECONDS = 5
TICKS_PER_MINUTE = 12
# A pod is made and its container started before its agent speaks.
POD_PHASE_SECONDS = 10.0


@dataclass
class Beat:
    """Something that happens once, as soon as it can. do: True when it is done; else it is tried again, for whoever
    began does not look at the weather any more."""

    when: Callable[[Play], bool]
    do: Callable[[Play], bool]
    begun: bool = False
    done: bool = False


@dataclass
class Believes:
    """The state machine as a `DescribeExecution` shows it that knows of no execution."""

    machine: Machine

    def is_running(self, job_id: str, run: int) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.machine, name)


@dataclass
class Play:
    """ends, losses: what a scenario may come to; with many faults at once, nearly anything. exact_bill: no pod is lost
    and no price changes, so that costs must agree to the cent."""

    plan: Plan = nothing_fails
    jobs: int = 1
    limit: int = 2
    beats: list[Beat] = field(default_factory=list)
    ends: Collection[JobStatus] = REST
    losses: int = 10**6
    exact_bill: bool = False
    # A loss is noticed after silence, a price within a minute: provisional costs may be off by that much until the
    # provider's bill is known.
    noticed_within_seconds: int = 420
    quiet_turns: int = 0
    lies: frozenset[int] = frozenset()
    changes: Mapping[str, Any] = field(default_factory=dict)
    # From when on no more goes wrong than one thing; None while it does.
    calm_since: datetime | None = START
    ticks: int = 0
    found: list[Violation] = field(default_factory=list)
    agents: dict[str, Agent] = field(default_factory=dict)
    diaries: defaultdict[str, Diary] = field(default_factory=lambda: defaultdict(Diary))

    def __post_init__(self) -> None:
        self.world = World(limit=self.limit)
        self.world.cloud = self.cloud = LedgerCloud(self.world.clock)
        self.cloud.phase_seconds = POD_PHASE_SECONDS
        self.injector = Injector(self.world, self.plan)
        self.seen = Observer(self)
        self.injector.watch = self.seen.watch
        self.injector.between = {
            Kind.CANCELLED: lambda: self._meanwhile(lambda: self.world.cancel(self.job_ids[0])),
            Kind.PAUSED: lambda: self._meanwhile(lambda: self.world.pause(self.job_ids[0])),
            Kind.RESTARTED: lambda: self._meanwhile(self._restart_all),
            Kind.SWEPT: lambda: self._meanwhile(self.world.sweep),
            Kind.SPOKEN: lambda: self._meanwhile(self._speak),
        }
        self.job_ids: list[str] = [
            self.world.submit(number, **self.changes) for number in range(1, self.jobs + 1)
        ]
        self._before = {job_id: self.job(job_id) for job_id in self.job_ids}

    # --- reading ----------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        return self.world.jobs.rows[job_id]

    def seen_before(self, job_id: str) -> Job:
        """As it was at the tick before."""
        return self._before[job_id]

    def agent(self, job_id: str) -> Agent | None:
        return newest(self.agents, job_id)

    @property
    def is_quiet(self) -> bool:
        return (
            all(beat.done for beat in self.beats)
            and not any(unfinished(self.job(job_id)) for job_id in self.job_ids)
            and not self.world.terminations.rows
            and not self.injector.pending
            and not any(each.status == "RUNNING" for each in self.world.machine.executions.values())
        )

    # --- what happens -----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Five seconds."""
        world = self.world
        self.ticks += 1
        self.injector.happen()
        for beat in self.beats:
            beat.begun = beat.begun or beat.when(self)
            if beat.begun and not beat.done:
                beat.done = beat.do(self)
        if self.ticks == 1:
            self.dispatch()
        world.machine.work()
        self._take_turns()
        world.machine.advance(TICK_SECONDS)
        if self.ticks % TICKS_PER_MINUTE == 0:
            self.minute()
        self.look()

    def _take_turns(self) -> None:
        for pod in self.world.cloud.billed_pods.values():
            if pod.status is not PodStatus.RUNNING:
                continue
            if pod.id not in self.agents:
                job_id = next(each for each in self.job_ids if f"-{each}-" in pod.name)
                self.agents[pod.id] = Agent(
                    self.injector,
                    job_id,
                    pod,
                    self.diaries[job_id],
                    quiet_turns=self.quiet_turns,
                    lies=self.lies,
                )
            self.agents[pod.id].turn()
            self.world.machine.work()

    def minute(self) -> None:
        quietly(lambda: self.injector.enter(schedule("sweep"), lambda: sweep_pods(self.world.broom())))
        self.world.machine.work()
        self.dispatch()

    def dispatch(self) -> None:
        world = self.world

        def work() -> list[str]:
            return dispatch_queue(
                jobs=world.jobs,
                workflow=world.machine,
                timings=world.timings,
                limit=world.limit,
                documents=world.documents,
                now=world.clock.now,
            )

        quietly(lambda: self.injector.enter(schedule("dispatch"), work))
        world.machine.work()

    def cancel(self, job_id: str) -> bool:
        """True when the person has an answer: done, or that it makes no sense."""
        return self._as_person("cancel", lambda: self.world.cancel(job_id))

    def pause(self, job_id: str) -> bool:
        return self._as_person("pause", lambda: self.world.pause(job_id))

    def resume(self, job_id: str) -> bool:
        """Back into the queue: what `resume_job` does once its checks have passed."""
        world = self.world

        def wish(before: Job) -> Job:
            gpu, cap = before.configuration.gpu, before.spend_cap_usd
            return pausing.resume(before, gpu, cap, before.created_by, 30, world.clock.now)

        return self._as_person("resume", lambda: change_job(world.jobs, job_id, wish))

    def _as_person(self, what: str, work: Callable[[], object]) -> bool:
        try:
            self.injector.enter(person(what), work)
        except WrongStatus:
            return True
        except (AppError, LambdaDied):
            return False
        finally:
            self.world.machine.work()
        return True

    def _meanwhile(self, work: Callable[[], object]) -> None:
        with self.injector.unobserved():
            quietly(work)
            self.world.machine.work()

    def _speak(self) -> None:
        """Not an agent whose own call this is: it waits for its reply."""
        for agent in list(self.agents.values()):
            if not agent.is_calling:
                agent.turn()

    def _restart_all(self) -> None:
        """The sweeper, for whom no execution lives."""
        sweep_pods(replace(self.world.broom(), workflow=Believes(self.world.machine)))

    # --- looking ----------------------------------------------------------------------------------------

    def look(self) -> None:
        self.seen.look()
        self.found += violations(self, at_rest=False)
        self._before = {job_id: self.job(job_id) for job_id in self.job_ids}


def run_to_rest(play: Play, *, most_minutes: int = 120) -> list[Violation]:
    """Until nothing moves, then three minutes more, then the last look. Whatever was found on the way."""
    for _ in range(most_minutes * TICKS_PER_MINUTE):
        play.tick()
        if play.is_quiet or play.found:
            break
    if not play.found:
        for _ in range(3):
            play.world.machine.advance(60)
            play.minute()
            play.look()
        play.found += violations(play, at_rest=True)
    return play.found
