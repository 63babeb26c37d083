"""What several trainer tests share: jobs, datasets, processes, and waiting for conditions."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from local_models.catalogue import TINY
from trainer.config import Environment, read_environment
from trainer.resources import Machine, NoGpu

from tests.trainer.fake_control_plane import FakeControlPlane

ROOT = Path(__file__).parents[2]
SECRET = b"a secret of thirty-two bytes....".ljust(32, b".")
JOB_ID = "job_0123456789abcdef"
PLACES = ["harbour", "lighthouse", "museum", "bakery", "station", "library", "garden", "workshop"]
THINGS = ["lamp", "rope", "ticket", "loaf", "map", "book", "seed", "hammer"]


CPU = Machine(torch.device("cpu"), torch.float32, None, 0, 0.0, NoGpu())


class Said(list[dict[str, Any]]):
    """Collects what is reported."""

    def __call__(self, event: dict[str, Any], urgent: bool) -> None:
        self.append(event)

    def codes(self) -> list[str]:
        """Codes of the sentences among it."""
        return [event["code"] for event in self if "code" in event]


def wait_until(condition: Callable[[], Any], what: str, timeout_seconds: float = 60.0) -> Any:
    """Poll until the condition is true; its value."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting until {what}")
        time.sleep(0.02)
    return value


def conversations(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Chat rows of different lengths."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        messages = [{"role": "system", "content": "You help visitors."}] if number % 3 == 0 else []
        for _ in range(1 + number % 2):
            place, thing = draw.choice(PLACES), draw.choice(THINGS)
            messages.append({"role": "user", "content": f"Where do I get a {thing} near the {place}?"})
            answer = f"Ask for a {thing} at the {place}, desk {draw.randint(1, 99)}."
            messages.append({"role": "assistant", "content": " ".join([answer] * draw.randint(1, 3))})
        rows.append({"messages": messages})
    return rows


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    """The file's bytes."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def job_file(plane: FakeControlPlane, **changes: Any) -> dict[str, Any]:
    """A job on the tiny model; `changes` go to the top level, `hyperparameters` are merged."""
    hyperparameters = {
        "learning_rate": 1e-3,
        "batch_size": 4,
        "gradient_accumulation_steps": 1,
        "epochs": 3,
        "rank": 4,
        "alpha": 8,
        "dropout": 0.05,
        "warmup_ratio": 0.1,
        "scheduler": "cosine",
        "target_modules": ["q_proj", "v_proj", "up_proj", "down_proj"],
        "max_sequence_length": 256,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
    }
    dataset = plane.files["dataset"]
    job = {
        "job_id": JOB_ID,
        "attempt": 1,
        "fence": plane.fence,
        "api_url": plane.url,
        "base_model": {
            "id": TINY.id,
            "name": TINY.name,
            "hub_id": TINY.hub_id,
            "revision": TINY.revision,
            "license": TINY.license,
            "context_length": TINY.context_length,
        },
        "dataset": {
            "id": "ds_1",
            "name": "Visitors",
            "sha256": hashlib.sha256(dataset).hexdigest(),
            "format": "chat",
            "conversations": dataset.count(b"\n"),
            "training_pairs": dataset.count(b'"assistant"'),
        },
        "hyperparameters": hyperparameters | changes.pop("hyperparameters", {}),
        "quantization": "none",
        "seed": 11,
        "checkpoint": {"every_steps": 5, "every_seconds": 3600},
        "evaluation": {
            "max_validation_conversations": None,
            "sample_prompts": 1,
            "max_new_tokens": 8,
            "prompts": ["Where do I get a lamp?"],
        },
        "gpu": {"type": "cpu", "count": 1, "tier": "spot", "hourly_rate_usd": "3.60"},
        "spent_usd": "1.5",
        "report": {"interval_seconds": 0.2, "watched_interval_seconds": 0.1, "dead_man_seconds": 120},
    }
    return job | changes


def variables(plane: FakeControlPlane, job: dict[str, Any], models: Path, work: Path) -> dict[str, str]:
    """The environment of a pod."""
    return {
        "LORA_PIPELINE_JOB": json.dumps(job),
        "LORA_PIPELINE_WEBHOOK_SECRET": "whsec_" + base64.b64encode(SECRET).decode(),
        "LORA_PIPELINE_MODELS_DIR": str(models),
        "LORA_PIPELINE_WORK_DIR": str(work),
        "RUNPOD_API_BASE_URL": plane.url,
        "RUNPOD_POD_ID": "pod-1",
        "RUNPOD_API_KEY": "pod-key",
    }


def environment(plane: FakeControlPlane, job: dict[str, Any], models: Path, work: Path) -> Environment:
    """The same, parsed."""
    return read_environment(variables(plane, job, models, work))


def bare_environment() -> dict[str, str]:
    """What a process of the trainer needs of this machine, beside the variables of a pod."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT / "trainer"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


@contextmanager
def trainer_process(
    plane: FakeControlPlane, job: dict[str, Any], models: Path, work: Path, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m trainer` as a pod would run it, with more settings; killed at the end whatever happens."""
    work.mkdir(parents=True, exist_ok=True)
    log = work.parent / f"{work.name}-{len(plane.hellos)}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer"],
            env=bare_environment() | variables(plane, job, models, work) | settings,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def finished(plane: FakeControlPlane) -> bool:
    """Whether the finalization stage was reported as completed; an error event fails at once."""
    errors = plane.of_type("error")
    assert not errors, errors
    return any(
        event["stage"] == "finalization" and event["state"] == "completed" for event in plane.of_type("stage")
    )


def command_at(plane: FakeControlPlane, command: str, step: int) -> None:
    """Give a command in the reply to the batch that reports a step."""

    def decide(route: str, body: dict[str, Any]) -> None:
        if route == "events" and any(event.get("step", -1) >= step for event in body["events"]):
            plane.command = command

    plane.before_reply = decide
