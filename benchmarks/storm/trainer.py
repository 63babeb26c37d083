"""A trainer that trains nothing: the real protocol, true checksums and real uploads, without the real trainer's libraries.

PID 1 of the pods of a stack whose LORA_PIPELINE_POD_COMMAND is what `manners.command` gives.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.storm.manners import Manners
from benchmarks.storm.reporter import Reporter
from benchmarks.storm.wire import FailedError, GoneError, Wire, put

ENDINGS = {"cancel": "cancelled", "pause": "paused"}


class Trainer:
    """One process of one attempt, from hello to the end of its pod."""

    def __init__(self, variables: Mapping[str, str], manners: Manners) -> None:
        self._job = json.loads(variables["LORA_PIPELINE_JOB"])
        secret = base64.b64decode(variables["LORA_PIPELINE_WEBHOOK_SECRET"].removeprefix("whsec_"))
        self._manners = manners
        # A container that is started again does not train again.
        self._outcome = Path(variables.get("LORA_PIPELINE_WORK_DIR", ".")) / f"outcome-{self._job['attempt']}"
        self._report = Reporter(self._job, Wire(self._job, secret), self._manners)

    def run(self) -> None:
        """The recipe's stages; returns when there is nothing left but to be switched off."""
        hello = self._report.hello()
        if self._outcome.exists():
            return
        ended = self._prepare() or self._train(hello)
        self._outcome.write_text(ended)

    def idle(self) -> NoReturn:
        """Heartbeats until the pod is ended, as the real trainer sends them."""
        while True:
            time.sleep(max(0.05, self._report.interval_seconds))
            self._report.report()

    def _prepare(self) -> str:
        """How the run ended; empty when it goes on."""
        self._report.say(
            "plan",
            total_steps=self._manners.steps,
            steps_per_epoch=self._manners.steps,
            epochs=1,
            training_conversations=48,
            validation_conversations=12,
            training_tokens=48_000,
        )
        for name in ("preprocessing", "model_loading"):
            self._stage(name, "active")
            self._stage(name, "completed")
            if self._stopped(0):
                return ENDINGS[self._report.command]
        return ""

    def _train(self, hello: Mapping[str, Any]) -> str:
        report, manners = self._report, self._manners
        self._stage("training", "active")
        last = manners.steps
        for step in range(1 + (hello["checkpoint"] or {"step": 0})["step"], manners.steps + 1):
            time.sleep(manners.step_seconds)
            report.say("metrics", **self._point(step))
            report.tick()
            if step % manners.checkpoint_every_steps == 0:
                self._checkpoint(step, "interval")
            if self._stopped(step):
                return ENDINGS[report.command]
            if report.command == "finish":
                last = step
                break
        self._stage("training", "completed")
        self._finalize(last)
        return "completed"

    def _stopped(self, step: int) -> bool:
        """Whether a command ended the run; a pause stores its checkpoint first."""
        code = ENDINGS.get(self._report.command)
        if code is None:
            return False
        if code == "paused" and step:
            self._checkpoint(step, "pause")
        self._report.say("stopping", message=f"Training was {code}.", code=code)
        self._report.flush()
        return True

    def _stage(self, name: str, state: str) -> None:
        progress = 1.0 if state == "completed" else 0.0
        self._report.say("stage", stage=name, state=state, message=f"{name} {state}", progress=progress)
        self._report.flush()

    def _loss(self, step: int) -> float:
        """Depends on seed and step alone, so that a resumed run repeats what it repeats."""
        falling = 1.6 * math.exp(-3 * step / self._manners.steps)
        return round(0.8 + falling + int(self._job["seed"]) % 97 / 1e4, 6)

    def _point(self, step: int) -> dict[str, Any]:
        """Every value that the real trainer gives on a GPU, with as many digits."""
        wobble = math.sin(step * 12.9898) * 0.5
        return {
            "step": step,
            "epoch": round(step / self._manners.steps, 6),
            "training_loss": self._loss(step) + wobble / 50,
            "learning_rate": 0.0002 * (1 - step / (self._manners.steps + 1)),
            "grad_norm": 0.731 + wobble,
            "tokens_per_second": round(1912.4 + wobble * 40, 2),
            "gpu_utilization": round(94 + wobble * 5, 1),
            "gpu_memory_gb": round(68.2 + wobble, 2),
            "gpu_memory_total_gb": 80.0,
            "cost_usd": round(step * 0.003173, 6),
        }

    def _checkpoint(self, step: int, reason: str) -> None:
        path, begun = f"checkpoints/step-{step:06d}", time.monotonic()
        contents = {
            **self._adapter(step),
            "manifest.json": b"{}",
            "trainer_state.json": json.dumps({"step": step}).encode(),
            "trainer_state.safetensors": _safetensors(step, 2 * self._manners.file_bytes),
        }
        entries = self._store(path, contents)
        seconds = round(time.monotonic() - begun, 3)
        self._report.say(
            "checkpoint", step=step, path=path, reason=reason, files=entries, upload_seconds=seconds
        )
        self._report.flush()

    def _finalize(self, steps: int) -> None:
        self._stage("finalization", "active")
        summary = self._summary(steps)
        contents = {
            **self._adapter(steps),
            "README.md": b"# A simulated adapter\n",
            "training_summary.json": json.dumps(summary).encode(),
        }
        entries = self._store("artifacts", contents)
        self._report.say("artifacts", path="artifacts", files=entries, summary=summary)
        self._stage("finalization", "completed")

    def _store(self, path: str, contents: Mapping[str, bytes]) -> list[dict[str, Any]]:
        """The files' entries once all are in storage. One request for all links, as the real trainer asks."""
        files = [
            {"path": f"{path}/{name}", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            for name, body in contents.items()
        ]
        links: dict[str, Any] = {}
        for file, body in zip(files, contents.values(), strict=True):
            while True:
                links = links or self._report.upload_links(files)
                try:
                    put(links[str(file["path"])], body)
                    break
                except FailedError as error:
                    print(f"upload failed: {error}", flush=True)
                    links = {}
                    time.sleep(0.5)
        return [
            {"name": name, "size_bytes": file["size_bytes"], "sha256": file["sha256"]}
            for name, file in zip(contents, files, strict=True)
        ]

    def _adapter(self, step: int) -> dict[str, bytes]:
        chosen = self._job["hyperparameters"]
        config = {
            "peft_type": "LORA",
            "base_model_name_or_path": self._job["base_model"]["hub_id"],
            "r": chosen["rank"],
            "lora_alpha": chosen["alpha"],
            "target_modules": chosen["target_modules"],
        }
        return {
            "adapter_model.safetensors": _safetensors(step, self._manners.file_bytes),
            "adapter_config.json": json.dumps(config).encode(),
        }

    def _summary(self, steps: int) -> dict[str, Any]:
        every = max(1, steps // 200)
        return {
            "job_id": self._job["job_id"],
            "base_model": self._job["base_model"]["hub_id"],
            "revision": self._job["base_model"]["revision"],
            "quantization": self._job["quantization"],
            "steps": steps,
            "total_steps": self._manners.steps,
            "epochs": round(steps / self._manners.steps, 4),
            "base_validation_loss": 2.5,
            "validation_loss": 1.1,
            "training_loss": self._loss(steps),
            "perplexity": 3.0,
            "loss_curve": [[step, self._loss(step)] for step in range(1, steps + 1, every)],
            "training_seconds": round(steps * self._manners.step_seconds, 3),
            "tokens": {"trained": 48_000, "supervised": 16_000},
            "samples": [],
            "worst_rows": [],
            "regressed_rows": [],
            "ended_by": "completed" if steps == self._manners.steps else "finish",
        }


def _safetensors(step: int, size_bytes: int) -> bytes:
    """One tensor of 32-bit floats in the real format, other bytes at each step."""
    numbers = max(1, size_bytes // 4)
    tensor = {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}
    header = json.dumps({"lora": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<f", float(step)) * numbers


def main() -> int:
    """Runs until the pod is ended."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    trainer = Trainer(os.environ, Manners.load(Path(sys.argv[1])))
    try:
        trainer.run()
        trainer.idle()
    except GoneError as gone:
        print(f"over: {gone}", flush=True)
    # A process that ends would be started again, and billed again.
    while True:
        signal.pause()


if __name__ == "__main__":
    raise SystemExit(main())
