"""One fault scenario: what it is, and the hands it plays with. A scene knows its own jobs and disturbs only them, unless
its scenario says that it must be alone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.stack.api import BUSY_TRIES
from tests.stack.breakage import processes_of, send
from tests.stack.invariants import BILLED, Checked, End, check
from tests.stack.simulated_script import MARK
from tests.stack.waiting import wait_until
from tests.stack.world import World

T = TypeVar("T")

SIMULATED, REAL = "simulated", "real"
# Generous: the machine is shared, and a condition that comes late is not a fault.
PATIENCE_SECONDS = 300.0
BUSY = "api_timeout"


@dataclass
class Scene:
    """What a scenario is played with. number: makes the names of its jobs unlike those of another round."""

    world: World
    dataset_id: str
    name: str
    number: int = 1
    duration_seconds: float = 0.0
    ends: dict[str, End] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    # Jobs

    def draft(self, end: End | None = None, cap: str = "5.00", title: str = "", **script: object) -> str:
        """A draft for the simulated trainer, and how it must end."""
        words = " ".join(f"{key}={value}" for key, value in script.items())
        return self.real_draft(end, cap, f"{MARK}: {self.name}{title} {self.number} [{words}]", epochs=1)

    def real_draft(self, end: End | None, cap: str, name: str, epochs: int, **more: Any) -> str:
        """A draft for the real trainer, unless the name says otherwise."""
        made = self._insist(
            lambda: self.world.api.draft(self.dataset_id, self.world.gpu(), name, epochs, cap, **more),
            # A draft whose reply did not come is left behind, and harmless.
            lambda: None,
        )
        self.ends[made] = end or End()
        return made

    def begin(self, job_id: str) -> str:
        """The job enters the queue."""

        def begin() -> str:
            self.world.api.begin(job_id)
            return job_id

        def begun() -> str | None:
            return None if self.job(job_id)["status"] == "pending_configuration" else job_id

        return self._insist(begin, begun)

    def _insist(self, act: Callable[[], str], is_done: Callable[[], str | None]) -> str:
        """Do something though a busy machine does not answer within the gateway's time."""
        for _ in range(BUSY_TRIES):
            try:
                return act()
            except AssertionError as error:
                if BUSY not in str(error):
                    raise
            done = is_done()
            if done is not None:
                return done
        return act()

    def start(self, end: End | None = None, cap: str = "5.00", title: str = "", **script: object) -> str:
        """A started job for the simulated trainer."""
        return self.begin(self.draft(end, cap, title, **script))

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as its page shows it."""
        return self.world.api.job(job_id)

    # Waiting

    def until(self, read: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
        """Wait for a condition."""
        return wait_until(read, f"{self.name}: {what}", seconds)

    def until_stage(self, job_id: str, stage: str) -> None:
        """The trainer is at work on a stage; "provisioning": a pod is rented and has not said anything."""
        if stage == "provisioning":
            self.until(lambda: self.billed(job_id), "a pod is rented")
            return
        self.until(lambda: self._in_stage(job_id, stage), f"{job_id} is in {stage}")

    def _in_stage(self, job_id: str, stage: str) -> bool:
        job = self.job(job_id)
        assert not job["is_final"], f"{job['status']}: {job['status_sentence']}"
        return bool(job["status"] == "running" and job["stage"] == stage)

    def until_checkpoint(self, job_id: str) -> int:
        """The step of the first checkpoint that counts."""

        def stored() -> int | None:
            job = self.job(job_id)
            assert not job["is_final"], f"{job['status']}: {job['status_sentence']}"
            return int(job["checkpoint"]["step"]) if job["checkpoint"] else None

        return self.until(stored, "a checkpoint is stored")

    def finish(self) -> None:
        """Every job has ended, and what had to be cleaned up is."""
        for job_id in self.ends:
            self.until_final(job_id)

    def until_final(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended; the queue and the sweeper are helped along, as their minute would."""
        hurried = time.monotonic()

        def ended() -> dict[str, Any] | None:
            nonlocal hurried
            job = self.job(job_id)
            if job["is_final"] and not job["cost"]["cleanup_pending"] and not self.billed(job_id):
                return job
            if time.monotonic() - hurried > 20:
                hurried = time.monotonic()
                self.world.invoke("SweepPods")
            return None

        return self.until(ended, f"{job_id} has ended")

    # Pods

    def billed(self, job_id: str) -> list[dict[str, Any]]:
        """Pods of the job that cost money now."""
        return [pod for pod in self.world.ledger(job_id) if pod["status"] in BILLED]

    def pod(self, job_id: str) -> dict[str, Any]:
        """The one pod of the job that is billed."""
        (pod,) = self.billed(job_id)
        return pod

    def until_process(self, job_id: str) -> int:
        """The leading process of the job's pod."""
        return int(self.until(lambda: self.pod(job_id)["pid"], "its process runs"))

    # Faults

    def arm(self, fault: str, job_id: str, **parameters: Any) -> None:
        """The provider misbehaves towards the pods of one job."""
        self.world.arm(fault, name_contains=f"-{job_id}-", **parameters)
        count = parameters.get("count")
        self.faults.append(f"{fault}{'' if count is None else f' x{count}'}")

    def disarm(self, job_id: str) -> None:
        """The provider behaves towards the job."""
        self.world.disarm(f"-{job_id}-")

    def reclaim(self, job_id: str, name: str) -> None:
        """The provider takes the pod away, with a warning (TERM) or without (KILL)."""
        self.faults.append(f"reclaim with {name}")
        self.world.reclaim(self.pod(job_id)["id"], name)

    def signal(self, job_id: str, number: signal.Signals) -> None:
        """A signal to every process of the job's pods."""
        self.faults.append(number.name)
        for pid in processes_of(self.world.ledger(job_id)):
            send(pid, number)

    def note(self, fault: str) -> None:
        """A fault that was done by other means."""
        self.faults.append(fault)


Play = Callable[[Scene], None]


@dataclass(frozen=True)
class Scenario:
    """broken: what is broken, and when. holds: what must hold besides the invariants. causes: parts of error lines that
    it may leave in the logs. alone: it disturbs the whole stack."""

    name: str
    broken: str
    holds: str
    play: Play
    trainer: str = SIMULATED
    alone: bool = False
    causes: tuple[str, ...] = ()
    duration_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of one scenario."""

    scenario: Scenario
    faults: tuple[str, ...]
    checked: Checked
    seconds: float
    job_ids: tuple[str, ...]


def play(scenario: Scenario, world: World, dataset_id: str, number: int = 1) -> Outcome:
    """Play it, and check its jobs. What goes wrong is a violation, never an exception; nothing is left running."""
    scene = Scene(world, dataset_id, scenario.name, number, scenario.duration_seconds)
    checked, began = Checked(), time.monotonic()
    try:
        scenario.play(scene)
        scene.finish()
    except Exception as error:
        checked.violations.append(f"played to its end: {type(error).__name__}: {error}")
    for job_id in scene.ends:
        world.disarm(f"-{job_id}-")
        if checked.violations:
            _give_up(scene, job_id)
        try:
            checked.add(check(world, job_id, scene.ends[job_id]))
        except Exception as error:
            checked.violations.append(f"checked: {type(error).__name__}: {error}")
    return Outcome(scenario, tuple(scene.faults), checked, time.monotonic() - began, tuple(scene.ends))


def _give_up(scene: Scene, job_id: str) -> None:
    """The scenario failed: its job must not disturb the next one."""
    try:
        if not scene.job(job_id)["is_final"]:
            scene.world.api.cancel(job_id)
            scene.until_final(job_id)
    except Exception as error:
        scene.note(f"not cleared away: {error}")
