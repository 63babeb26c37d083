"""A trainer that trains nothing and otherwise does what the real one does: PID 1 of a pod for tests of the lifecycle.

It says hello, reports numbered events from a spool, obeys commands, stores checkpoints and results through presigned
links, answers SIGTERM, and gives its pod back after long silence, all with the real trainer's own code. In place of
weights it keeps a chain: each step's digest is made of the step before, so that a result tells whether every step was
taken once and in order, however often the pod was lost (`simulated_script.chain`). `pod_program` starts it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from trainer.dead_man import DeadMan
from trainer.errors import StoppedError, SupersededError, UploadFailedError
from trainer.report import Hello, Reporter
from trainer.upload import NotStoredError, Transfers, describe

from tests.stack.simulated_script import (
    CONFIG,
    FIRST_LOSS,
    STATE,
    WEIGHTS,
    Script,
    chain,
    following,
    loss_at,
    weights_of,
)
from trainer import config

RECHECKED_STEPS = 3
# How long a stage that is to be disturbed waits for it; then it goes on.
LINGER_SECONDS = 240.0
POLL_SECONDS = 0.05


class Simulation:
    """One process of one attempt."""

    def __init__(
        self,
        environment: config.Environment,
        job: config.Job,
        script: Script,
        voice: Reporter,
        transfers: Transfers,
        dead_man: DeadMan,
    ) -> None:
        self.environment, self.job, self.script = environment, job, script
        self.report, self.transfers = voice, transfers
        self.dead_man = dead_man
        self.folder = environment.work_dir_for(job)
        self.step, self.digest = 0, chain(job.seed, 0)
        self.stored_step = 0
        self.first_process, self.incarnation = False, 0
        self.saving = threading.Lock()
        self.began = time.monotonic()

    def run(self, hello: Hello) -> None:
        """From hello to the stored result. StoppedError when a command ends it."""
        self.incarnation = int(hello.incarnation)
        self.first_process = self.job.attempt == 1 and hello.incarnation == 1
        self.preprocess()
        self.load(hello)
        ended_by = self.train(hello)
        self.hand_over(ended_by)

    def preprocess(self) -> None:
        self.active("preprocessing")
        self.transfers.download("dataset", self.folder / "dataset.jsonl", self.job.dataset.sha256)
        count = len((self.folder / "dataset.jsonl").read_bytes().splitlines())
        self.say(
            "plan",
            total_steps=self.script.steps,
            steps_per_epoch=self.script.steps,
            epochs=1,
            training_conversations=count,
            validation_conversations=0,
            training_tokens=count * 100,
        )
        self.completed("preprocessing")

    def load(self, hello: Hello) -> None:
        self.active("model_loading")
        for offered in hello.checkpoints:
            if self.restore(offered):
                break
        self.completed("model_loading")

    def restore(self, offered: Mapping[str, Any]) -> bool:
        """Go on from a stored checkpoint; False when storage does not have it."""
        step, target = int(offered["step"]), self.folder / STATE
        entry = next(file for file in offered["files"] if file["name"] == STATE)
        try:
            self.transfers.download(f"checkpoint/step-{step:06d}/{STATE}", target, entry["sha256"])
        except NotStoredError as error:
            self.say("warning", message=f"A checkpoint is lost: {error}", code="checkpoint_lost")
            return False
        self.step, self.digest = step, str(json.loads(target.read_text())["digest"])
        self.stored_step = step
        return True

    def train(self, hello: Hello) -> str:
        self.active("training")
        resumed = self.step
        compared: list[dict[str, float]] = []
        try:
            while self.step < self.script.steps:
                self.check()
                if self.report.command == "finish" and self.step:
                    self.checkpoint("finish")
                    self.completed("training")
                    return "finish"
                time.sleep(self.script.step)
                self.digest, self.step = following(self.digest, self.step + 1), self.step + 1
                loss = loss_at(self.step)
                self.say("metrics", **self.point(loss))
                before = hello.reported_losses.get(self.step)
                if resumed and before is not None and len(compared) < RECHECKED_STEPS:
                    compared.append({"step": float(self.step), "before": before, "after": loss})
                if self.step % self.script.every == 0:
                    self.checkpoint("interval")
        except StoppedError as stop:
            if stop.cause != "silence":
                self.checkpoint("pause" if stop.cause == "paused" else "cancel")
            raise
        if compared:
            self.say("resume_evidence", resumed_from_step=resumed, steps=compared)
        self.completed("training")
        return "completed"

    def point(self, loss: float) -> dict[str, Any]:
        """A step's values; the validation loss comes as often as checkpoints do."""
        share = self.step / self.script.steps
        validation = {"validation_loss": round(loss * 1.06, 6)} if self.step % self.script.every == 0 else {}
        return {
            "step": self.step,
            "epoch": share,
            "training_loss": loss,
            "learning_rate": 0.001 * (1 + math.cos(math.pi * share)) / 2,
            "grad_norm": round(loss / 3, 6),
            "tokens_per_second": 100 / max(self.script.step, 0.01),
            **validation,
        }

    def hand_over(self, ended_by: str) -> None:
        self.active("finalization")
        contents = {WEIGHTS: weights_of(self.digest), CONFIG: b'{"r": 8, "simulated": true}'}
        kept = {name: body for name, body in contents.items() if name != self.script.forget}
        self.store("artifacts", kept)
        files = [self.entry(name, body) for name, body in contents.items()]
        self.say("artifacts", path="artifacts", files=files, summary=self.summary(ended_by))
        self.completed("finalization")

    def summary(self, ended_by: str) -> dict[str, Any]:
        base = self.job.base_model
        return {
            "job_id": self.job.job_id,
            "base_model": base.hub_id,
            "revision": base.revision,
            "quantization": "none",
            "steps": self.step,
            "total_steps": self.script.steps,
            "epochs": 1.0,
            "base_validation_loss": FIRST_LOSS,
            "validation_loss": loss_at(self.step),
            "training_loss": loss_at(self.step),
            "perplexity": round(math.exp(loss_at(self.step)), 4),
            "training_seconds": time.monotonic() - self.began,
            "tokens": {"trained": self.step * 100, "supervised": self.step * 50},
            "samples": [],
            "worst_rows": [],
            "regressed_rows": [],
            "ended_by": ended_by,
        }

    # What the stages are made of

    def say(self, kind: str, urgent: bool = False, **facts: Any) -> None:
        self.report.say({"type": kind, **facts}, urgent)

    def active(self, stage: str) -> None:
        self.say("stage", True, stage=stage, state="active", message=f"{stage} began", progress=0.0)
        if self.script.crash == stage and self.incarnation <= self.script.crashes:
            self.report.flush(10.0)
            os._exit(3)
        if self.script.fail == stage:
            raise SimulatedFailure(self.script.reason)
        deadline = time.monotonic() + LINGER_SECONDS
        while self.script.linger == stage and self.first_process and time.monotonic() < deadline:
            self.check()
            if self.report.command == "finish":
                return
            time.sleep(POLL_SECONDS)

    def completed(self, stage: str) -> None:
        self.say("stage", True, stage=stage, state="completed", message=f"{stage} done", progress=1.0)
        self.check()

    def check(self) -> None:
        if self.report.superseded.is_set():
            raise SupersededError("superseded")
        if self.report.command in {"cancel", "pause"}:
            raise StoppedError("cancelled" if self.report.command == "cancel" else "paused")
        if self.dead_man.expired.is_set():
            raise StoppedError("silence")

    def checkpoint(self, reason: str, deadline_seconds: float | None = None) -> None:
        """Store the present step and announce it; nothing to do when it is stored."""
        with self.saving:
            step, digest = self.step, self.digest
            if step == 0 or step == self.stored_step:
                return
            began = time.monotonic()
            path = f"checkpoints/step-{step:06d}"
            contents = {
                STATE: json.dumps({"step": step, "digest": digest}).encode(),
                WEIGHTS: weights_of(digest),
            }
            try:
                self.store(path, contents, deadline_seconds)
            except UploadFailedError as error:
                # An outage costs a checkpoint, never the run; the next one may be stored.
                self.say("warning", message=str(error)[:500], code="checkpoint_not_stored")
                return
            files = [self.entry(name, body) for name, body in contents.items()]
            took = time.monotonic() - began
            self.say(
                "checkpoint", True, step=step, path=path, reason=reason, files=files, upload_seconds=took
            )
            self.stored_step = step

    def store(self, path: str, contents: Mapping[str, bytes], deadline_seconds: float | None = None) -> None:
        folder = self.folder / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in contents.items():
            (folder / name).write_bytes(body)
        self.transfers.upload(path, [describe(folder / name) for name in contents], deadline_seconds)

    @staticmethod
    def entry(name: str, body: bytes) -> dict[str, Any]:
        return {"name": name, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}

    def terminate(self) -> None:
        """The answer to SIGTERM: say so, and save what there is."""
        self.say("stopping", True, message="The provider is taking this machine away.", code="sigterm")
        self.report.send_now(1.0)
        self.checkpoint("terminating", deadline_seconds=2.5)
        self.report.send_now(1.0)


class SimulatedFailure(Exception):
    """The script asks for an error; its text is the end reason."""
