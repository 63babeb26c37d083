"""The process on one pod among faults: numbers its words, keeps them until they are acknowledged, sends them again,
stores files before it names them, obeys what the replies tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.checkpoint import attempt_prefix
from chalicelib.domain.errors import AppError, StaleAttempt
from chalicelib.domain.gpu import Pod
from chalicelib.use_cases.greet_agent import greet_agent
from chalicelib.use_cases.issue_urls import issue_urls
from chalicelib.use_cases.record_events import record_events

from tests.backend.models.examples import a_summary
from tests.lifecycle.faults.effects import upload, webhook
from tests.lifecycle.faults.injection import Injector
from tests.lifecycle.machine import LambdaDied
from tests.lifecycle.trainer import ADAPTER, STAGES, Trainer, _described

STEPS = 6
_STEPS_PER_BATCH = 2
# Where a real trainer may be busy with one long call.
_SILENT_STAGES = frozenset({"model_loading", "finalization"})
Words = list[dict[str, Any]]


@dataclass
class Diary:
    """What the agents of one job really did: every point bears a number of its own in `grad_norm`."""

    made: dict[float, tuple[int, int]] = field(default_factory=dict)  # number -> (attempt, step)
    acknowledged: set[float] = field(default_factory=set)
    wrong_links: list[str] = field(default_factory=list)


class Agent:
    """quiet_turns: how many turns a job's first agent says nothing in each of the silent stages. lies: the steps at which
    it announces a checkpoint that it never stored."""

    def __init__(
        self,
        injector: Injector,
        job_id: str,
        pod: Pod,
        diary: Diary,
        *,
        quiet_turns: int = 0,
        lies: frozenset[int] = frozenset(),
    ) -> None:
        self.injector, self.world, self.job_id, self.pod = injector, injector.world, job_id, pod
        self.trainer = Trainer(self.world, job_id, pod)
        self.diary, self.quiet_turns, self.lies = diary, quiet_turns, lies
        self.words: Words = []
        self.acknowledged = 0
        self.greeted = self.over = self.parting = self.is_calling = False
        self.silent_turns = 0
        self.incarnation = self.step = self.processes = 0
        self.doing = "hello"
        self.reply: Mapping[str, Any] = {}
        self.plan: list[Callable[[], Words]] = []

    # --- turns ------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """One thing: say hello, send what is not acknowledged, or the next thing of the plan."""
        if self.over or self.is_calling or self.pod.id not in self.world.cloud.billed_pods:
            return
        if self.silent_turns > 0:
            self.silent_turns -= 1
            return
        self.is_calling = True
        try:
            self._turn()
        except StaleAttempt:
            self.over = True
        except (AppError, LambdaDied):
            # The next turn tries again: what was not acknowledged is sent again.
            return
        finally:
            self.is_calling = False

    def restart(self) -> None:
        """The container starts again: a new process with the same disk, which trains on from where it was."""
        self.greeted = False
        self.processes += 1

    def _turn(self) -> None:
        if not self.greeted:
            self._hello()
            return
        self._obey()
        if self.acknowledged == len(self.words) and self.plan:
            self.words += self.plan[0]()
            self.plan.pop(0)
        self._deliver()

    def _obey(self) -> None:
        command = self.reply.get("command")
        if command == "cancel":
            self.over = True
        elif command in ("pause", "finish") and not self.parting:
            self.parting = True
            self.plan = self._pausing() if command == "pause" else self._finishing()

    # --- calls ------------------------------------------------------------------------------------------

    def _hello(self) -> None:
        world, trainer = self.world, self.trainer
        process = f"{self.pod.id}-{self.processes}"

        def call() -> Mapping[str, Any]:
            return greet_agent(
                self.job_id,
                trainer.attempt,
                trainer.fence,
                process,
                jobs=world.jobs,
                progress=world.progress,
                workflow=world.machine,
                now=world.clock.now,
            )

        self.reply = self.injector.enter(webhook("hello"), call)
        self.greeted = True
        self.incarnation = self.reply["incarnation"]
        self._acknowledge()
        checkpoint = self.reply["checkpoint"]
        if not self.plan and not self.words:
            self.step = 0 if checkpoint is None else int(checkpoint["step"])
            self.plan = [lambda: self._links(checkpoint is not None), *self._stages()]

    def _deliver(self) -> None:
        world, trainer, incarnation = self.world, self.trainer, self.incarnation
        first, events = self.acknowledged, self.words[self.acknowledged :]

        def call() -> Mapping[str, Any]:
            return record_events(
                self.job_id,
                attempt=trainer.attempt,
                fence=trainer.fence,
                incarnation=incarnation,
                first_sequence=first,
                events=events,
                inbox=world.inbox(),
                now=world.clock.now,
            )

        self.reply = self.injector.enter(webhook("events"), call)
        self._acknowledge()

    def _acknowledge(self) -> None:
        self.acknowledged = min(self.reply["next_sequence"], len(self.words))
        heard = self.words[: self.acknowledged]
        self.diary.acknowledged.update(word["grad_norm"] for word in heard if word["type"] == "metrics")

    def _links(self, resumed: bool) -> Words:
        """Asks for the links it needs, as it does before training."""
        downloads = ["dataset", *(f"checkpoint/{name}" for name in ADAPTER if resumed)]
        world, trainer = self.world, self.trainer
        asked = {"path": "checkpoints/step-000001/adapter_config.json", "size_bytes": 2, "sha256": "0" * 64}
        reply = self.injector.enter(
            webhook("urls"),
            lambda: issue_urls(
                self.job_id,
                attempt=trainer.attempt,
                fence=trainer.fence,
                uploads=[asked],
                downloads=downloads,
                jobs=world.jobs,
                progress=world.progress,
                files=world.files,
            ),
        )
        prefix = attempt_prefix(self.job_id, trainer.attempt)
        links = [str(link["url"]) for link in reply["uploads"].values()]
        self.diary.wrong_links += [link for link in links if prefix not in link]
        return []

    def _store(self, path: str) -> None:
        prefix = attempt_prefix(self.job_id, self.trainer.attempt)

        def put() -> None:
            for name, body in ADAPTER.items():
                self.world.files.write(f"{prefix}{path}/{name}", body, "application/octet-stream")

        self.injector.enter(upload(path.split("/")[0]), put)

    # --- what it has to do --------------------------------------------------------------------------------

    def _stages(self) -> list[Callable[[], Words]]:
        plan: list[Callable[[], Words]] = []
        for name in STAGES:
            plan.append(lambda name=name: self._stage(name, "active"))  # type: ignore[misc]
            if name in _SILENT_STAGES and self.quiet_turns and self.trainer.attempt == 1:
                plan.append(self._fall_silent)
            if name == "training":
                for first in range(self.step + 1, STEPS + 1, _STEPS_PER_BATCH):
                    last = min(first + _STEPS_PER_BATCH - 1, STEPS)
                    plan.append(lambda first=first, last=last: self._train(first, last))  # type: ignore[misc]
                    plan.append(lambda last=last: self._checkpoint(last, "interval"))  # type: ignore[misc]
            if name == "finalization":
                plan.append(lambda: self._artifacts("completed"))
            plan.append(lambda name=name: self._stage(name, "completed"))  # type: ignore[misc]
        return plan

    def _pausing(self) -> list[Callable[[], Words]]:
        step = self.step
        keep = [lambda: self._checkpoint(step, "pause")] if step else []
        return [*keep, lambda: [self.trainer.event("stopping", message="Paused.", code="paused")]]

    def _finishing(self) -> list[Callable[[], Words]]:
        if self.step == 0:
            error = self.trainer.event("error", end_reason="trainer_crashed", message="No step.", step=0)
            return [lambda: [error]]
        return [
            lambda: self._stage("training", "completed"),
            lambda: self._stage("finalization", "active"),
            lambda: self._artifacts("finish"),
            lambda: self._stage("finalization", "completed"),
        ]

    def _fall_silent(self) -> Words:
        self.silent_turns = self.quiet_turns
        return []

    def _stage(self, name: str, state: str) -> Words:
        self.doing = name
        return [self.trainer.event("stage", stage=name, state=state, message=f"{name} {state}", progress=0.5)]

    def _train(self, first: int, last: int) -> Words:
        words = []
        for step in range(first, last + 1):
            number = float(len(self.diary.made) + 1)
            self.diary.made[number] = (self.trainer.attempt, step)
            words.append(self.trainer.point(step, grad_norm=number))
        self.step = last
        return words

    def _checkpoint(self, step: int, reason: str) -> Words:
        path = f"checkpoints/step-{step:06d}"
        if step not in self.lies:
            self._store(path)
        return [
            self.trainer.event(
                "checkpoint", step=step, path=path, reason=reason, files=_described(), upload_seconds=1.0
            )
        ]

    def _artifacts(self, ended_by: str) -> Words:
        self._store("artifacts")
        summary = a_summary(job_id=self.job_id, ended_by=ended_by)
        return [self.trainer.event("artifacts", path="artifacts", files=_described(), summary=summary)]


def newest(agents: Mapping[str, Agent], job_id: str) -> Agent | None:
    """The agent of the job's last pod; of two pods of one name, the one that was not told to stop."""
    mine = [agent for agent in agents.values() if agent.job_id == job_id]
    return max(mine, key=lambda agent: (agent.trainer.attempt, not agent.over), default=None)


def quietly(work: Callable[[], object]) -> None:
    """A call whose failure its caller bears: a schedule comes again in a minute."""
    with suppress(AppError, LambdaDied):
        work()
