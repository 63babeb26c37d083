"""The agent on a pod, scripted: says hello, posts numbered batches, stores files, obeys what the replies tell it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.checkpoint import attempt_prefix
from chalicelib.domain.gpu import Pod, PodName
from chalicelib.domain.job_file import attempt_secret
from chalicelib.use_cases.greet_agent import greet_agent
from chalicelib.use_cases.record_events import record_events

from tests.backend.models.examples import a_summary
from tests.lifecycle.world import World

STAGES = ("preprocessing", "model_loading", "training", "finalization")
ADAPTER = {"adapter_model.safetensors": b"weights", "adapter_config.json": b"{}"}


class Trainer:
    """The process inside a pod, the job's newest billed one by default. Knows only what the pod's environment told it."""

    def __init__(self, world: World, job_id: str, pod: Pod | None = None) -> None:
        pod = pod or world.pods(job_id)[-1]
        name = PodName.parse(pod.name)
        request = next(call for call in world.cloud.create_calls if call.name == pod.name)
        told = json.loads(request.env["LORA_PIPELINE_JOB"])
        assert name is not None
        assert (told["job_id"], told["attempt"], told["fence"]) == (job_id, name.attempt, name.fence)
        self.world, self.job_id, self.pod_id = world, job_id, pod.id
        self.attempt, self.fence = name.attempt, name.fence
        self.incarnation = self.sequence = 0
        self.reply: Mapping[str, Any] = {}

    @property
    def command(self) -> str:
        return str(self.reply["command"])

    @property
    def secret(self) -> bytes:
        return attempt_secret("master", self.job_id, self.attempt, self.fence)

    def hello(self) -> Trainer:
        world = self.world
        self.reply = greet_agent(
            self.job_id,
            self.attempt,
            self.fence,
            None,
            jobs=world.jobs,
            progress=world.progress,
            workflow=world.machine,
            now=world.clock.now,
        )
        self.incarnation, self.sequence = self.reply["incarnation"], self.reply["next_sequence"]
        world.machine.work()
        return self

    def post(self, first_sequence: int, events: list[dict[str, Any]]) -> Mapping[str, Any]:
        """One signed call, as it is: no rewinding, no counting."""
        world = self.world
        reply = record_events(
            self.job_id,
            attempt=self.attempt,
            fence=self.fence,
            incarnation=self.incarnation,
            first_sequence=first_sequence,
            events=events,
            inbox=world.inbox(),
            now=world.clock.now,
        )
        world.machine.work()
        return reply

    def send(self, *events: dict[str, Any]) -> Trainer:
        self.reply = self.post(self.sequence, list(events))
        self.sequence = self.reply["next_sequence"]
        return self

    # --- events -----------------------------------------------------------------------------------------

    def event(self, kind: str, **facts: Any) -> dict[str, Any]:
        return {"type": kind, "at": self.world.clock.now.isoformat(), **facts}

    def stage(self, name: str, state: str = "completed") -> Trainer:
        return self.send(
            self.event("stage", stage=name, state=state, message=f"{name} {state}", progress=0.5)
        )

    def point(self, step: int, **facts: Any) -> dict[str, Any]:
        return self.event("metrics", step=step, epoch=step / 20, training_loss=2.0 - step / 100, **facts)

    def train(self, first: int, last: int, batch: int = 5) -> Trainer:
        for start in range(first, last + 1, batch):
            self.send(*(self.point(step) for step in range(start, min(start + batch, last + 1))))
        return self

    def checkpoint(self, step: int, reason: str = "interval", *, stored: bool = True) -> Trainer:
        path = f"checkpoints/step-{step:06d}"
        if stored:
            self._store(path)
        return self.send(
            self.event(
                "checkpoint", step=step, path=path, reason=reason, files=_described(), upload_seconds=1.0
            )
        )

    def artifacts(self, *, stored: bool = True, ended_by: str = "completed") -> Trainer:
        if stored:
            self._store("artifacts")
        summary = a_summary(job_id=self.job_id, ended_by=ended_by)
        return self.send(self.event("artifacts", path="artifacts", files=_described(), summary=summary))

    def error(self, reason: str, message: str = "It broke.") -> Trainer:
        return self.send(self.event("error", end_reason=reason, message=message, step=3))

    def stopping(self, code: str) -> Trainer:
        return self.send(self.event("stopping", message="Stopping.", code=code))

    def through(self, last: str, *, steps: int = 20) -> Trainer:
        """From hello to the end of the stage `last`; "hello" ends with the greeting."""
        if self.incarnation == 0:
            self.hello()
        for name in STAGES[: STAGES.index(last) + 1 if last in STAGES else 0]:
            self.stage(name, "active")
            if name == "training":
                self.train(1, steps)
            if name == "finalization":
                self.artifacts()
            self.stage(name)
        return self

    def _store(self, path: str) -> None:
        prefix = attempt_prefix(self.job_id, self.attempt)
        for name, body in ADAPTER.items():
            self.world.files.write(f"{prefix}{path}/{name}", body, "application/octet-stream")


def _described() -> list[dict[str, Any]]:
    return [
        {"name": name, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in ADAPTER.items()
    ]
