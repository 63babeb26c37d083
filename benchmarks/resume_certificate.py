"""Whether a training run killed at any moment ends with the same bytes. Prints one JSON line.

    python benchmarks/resume_certificate.py [--quick] [--kills N] [--settings NAME,...] [--seed N] [--jobs N]

The peer is the same run unbroken. Each broken run is a real trainer process on a tiny model, ended with SIGKILL: a
quarter of them while a checkpoint is being written, a quarter while one is being uploaded, the others at any moment
between the first word and the last upload. A new process with an empty disk goes on from what had reached storage.
Identical means: every step is there, every loss is the same number, the adapter is the same file. Every setting has
dropout, two accumulated micro-batches a step and three epochs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(ROOT / part) for part in ("trainer", "backend", "infrastructure/local"))]

from chalicelib.domain import certificate
from local_models.catalogue import TINY

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import (
    SECRET,
    as_jsonl,
    conversations,
    finished,
    job_file,
    trainer_process,
    wait_until,
)

DATASET = as_jsonl(conversations(40))
ADAPTER = "adapter_model.safetensors"
COMMON: dict[str, Any] = {
    "checkpoint": {"every_steps": 2, "every_seconds": 3600},
    "evaluation": {
        "max_validation_conversations": 4,
        "sample_prompts": 0,
        "max_new_tokens": 1,
        "prompts": [],
    },
}
# Rank 32 makes the factors large enough for bitsandbytes to keep their moments in 8 bits.
QLORA: dict[str, Any] = {"quantization": "nf4", "optimizer": "adamw_8bit"}
SETTINGS: dict[str, dict[str, Any]] = {
    "fp32_packed": {"batching": "packed"},
    "fp32_padded": {"batching": "padded"},
    "nf4_adam8_packed": {**QLORA, "batching": "packed"},
    "nf4_adam8_padded": {**QLORA, "batching": "padded"},
}
HYPERPARAMETERS = {
    "batch_size": 2,
    "gradient_accumulation_steps": 2,
    "epochs": 2,
    "rank": 32,
    "dropout": 0.05,
    "target_modules": ["all-linear"],
}
KINDS = ("writing", "uploading", "anywhere", "anywhere")
# A process that neither reports nor ends within this is a failed run, not a slow machine.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Unbroken:
    """What the run that nobody disturbs reports and stores."""

    losses: dict[int, set[float]]
    adapter: bytes
    eight_bit_tensors: int


@dataclass(frozen=True)
class Moment:
    """When to kill: at the n-th checkpoint being written or uploaded, or some time after a step was reported."""

    kind: str
    number: int
    delay_seconds: float


def the_job(plane: FakeControlPlane, setting: str, **changes: Any) -> dict[str, Any]:
    """The job file of a setting."""
    return job_file(plane, hyperparameters=HYPERPARAMETERS, **COMMON, **SETTINGS[setting], **changes)


def losses(plane: FakeControlPlane) -> dict[int, set[float]]:
    """Every loss reported for each step; a step that was trained twice may have two."""
    found: dict[int, set[float]] = {}
    for event in plane.of_type("metrics"):
        if event.get("training_loss") is not None:
            found.setdefault(int(event["step"]), set()).add(float(event["training_loss"]))
    return found


def eight_bit_tensors(plane: FakeControlPlane) -> int:
    """Optimizer moments that the newest stored checkpoint keeps in 8 bits."""
    from safetensors.torch import load

    assert plane.checkpoint is not None
    content = plane.files[f"{plane.checkpoint['path']}/trainer_state.safetensors"]
    return sum(
        name.startswith("optimizer.")
        and name.endswith(("/state1", "/state2"))
        and str(tensor.dtype) == "torch.uint8"
        for name, tensor in load(content).items()
    )


def unbroken(setting: str, models: Path, folder: Path) -> Unbroken:
    """The peer."""
    with FakeControlPlane(SECRET, DATASET) as plane:
        with trainer_process(plane, the_job(plane, setting), models, folder / "unbroken" / "work"):
            wait_until(lambda: finished(plane), "the unbroken run is finished", PATIENCE_SECONDS)
        return Unbroken(losses(plane), plane.stored("artifacts/")[ADAPTER], eight_bit_tensors(plane))


@contextlib.contextmanager
def killing(
    plane: FakeControlPlane, process: subprocess.Popen[bytes], work: Path, moment: Moment
) -> Iterator[None]:
    """Kill the process at the moment; returns once it is dead."""
    if moment.kind == "uploading":
        seen = iter(range(moment.number))
        plane.on_store = lambda path: (
            process.kill() if path.startswith("checkpoints/") and next(seen, None) is None else None
        )
    elif moment.kind == "writing":
        threading.Thread(target=_kill_while_writing, args=(process, work, moment.number), daemon=True).start()
    else:
        wait_until(
            lambda: process.poll() is not None or (plane.hellos and len(losses(plane)) >= moment.number),
            f"step {moment.number} is reported",
            PATIENCE_SECONDS,
        )
        time.sleep(moment.delay_seconds)
        process.kill()
    yield
    process.wait(PATIENCE_SECONDS)
    plane.on_store = None


def _kill_while_writing(process: subprocess.Popen[bytes], work: Path, number: int) -> None:
    """Watch for the n-th temporary folder of a checkpoint."""
    seen: set[str] = set()
    while process.poll() is None:
        seen.update(path.name for path in (work / "checkpoints").glob("step-*.tmp"))
        if len(seen) >= number:
            process.kill()
            return
        time.sleep(0.0005)


def broken(setting: str, models: Path, folder: Path, moment: Moment) -> tuple[FakeControlPlane, str]:
    """What was reported and stored by a killed run and its successor, and what the kill really interrupted."""
    with FakeControlPlane(SECRET, DATASET) as plane:
        work = folder / "killed" / "work"
        with (
            trainer_process(plane, the_job(plane, setting), models, work) as process,
            killing(plane, process, work, moment),
        ):
            pass
        half_written = any((work / "checkpoints").glob("step-*.tmp"))
        interrupted = "writing" if half_written else "uploading" if moment.kind == "uploading" else "anywhere"
        # Another machine: the disk is empty, and the control plane counts the new attempt's words from zero.
        plane.fence, plane.next_sequence = "fence-0002", 0
        plane.files = {name: body for name, body in plane.files.items() if not name.startswith("artifacts/")}
        plane.events = [event for event in plane.events if event["type"] != "stage"]
        second = the_job(plane, setting, attempt=2)
        with trainer_process(plane, second, models, folder / "resumed" / "work"):
            wait_until(lambda: finished(plane), "the resumed run is finished", PATIENCE_SECONDS)
        return plane, interrupted


def verdict_of(plane: FakeControlPlane) -> str:
    """The certificate that the job's page would show; `started over` when no checkpoint had been stored yet."""
    told = plane.of_type("resume_evidence")
    if not told:
        return "started over"
    pairs = [(step["before"], step["after"]) for step in told[-1]["steps"]]
    return str(certificate.of_resume(told[-1]["resumed_from_step"], pairs, None)["verdict"])


def moments(kills: int, steps: int, chance: random.Random) -> list[Moment]:
    """Kinds in turn, each at a random checkpoint or step."""
    return [
        Moment(
            kind,
            chance.randrange(1, steps // 2 * (5 if kind == "uploading" else 1))
            if kind != "anywhere"
            else chance.randrange(steps + 1),
            round(chance.uniform(0, 0.5), 3),
        )
        for kind in (KINDS[number % len(KINDS)] for number in range(kills))
    ]


def measure(setting: str, kills: int, chance: random.Random, folder: Path, jobs: int) -> dict[str, Any]:
    """Counts of identical runs of one setting, what each kill interrupted, and what the certificates say."""
    from local_models.__main__ import ensure_tiny

    models = ensure_tiny(Path(tempfile.gettempdir()) / f"lora-pipeline-models-{TINY.revision}").parent
    expected = unbroken(setting, models, folder)
    chosen = moments(kills, len(expected.losses), chance)

    def one(numbered: tuple[int, Moment]) -> dict[str, Any]:
        number, moment = numbered
        plane, interrupted = broken(setting, models, folder / str(number), moment)
        result = {
            "losses": losses(plane) == expected.losses,
            "adapter": plane.stored("artifacts/")[ADAPTER] == expected.adapter,
            "interrupted": interrupted,
            "verdict": verdict_of(plane),
        }
        print(f"{setting} {number + 1} of {kills}: {result}", file=sys.stderr, flush=True)
        return result

    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(one, enumerate(chosen)))
    return {
        "kills": kills,
        "identical_losses": sum(result["losses"] for result in results),
        "identical_adapters": sum(result["adapter"] for result in results),
        "interrupted": dict(Counter(result["interrupted"] for result in results)),
        "certificates": dict(Counter(result["verdict"] for result in results)),
        "steps": len(expected.losses),
        "moments_in_8_bits": expected.eight_bit_tensors,
    }


def main() -> int:
    """0 when every run ended identically, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two kills of two settings instead of twenty of four"
    )
    parser.add_argument("--kills", type=int, help="per setting")
    parser.add_argument("--settings", help=f"among {', '.join(SETTINGS)}")
    parser.add_argument("--jobs", type=int, default=1, help="broken runs at the same time")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the moments"
    )
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    names = asked.settings.split(",") if asked.settings else list(SETTINGS)[:: 2 if asked.quick else 1]
    kills = asked.kills or (2 if asked.quick else 20)
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name, quiet_servers():
        figures = {each: measure(each, kills, chance, Path(name) / each, asked.jobs) for each in names}
    goal = {"identical_losses": kills, "identical_adapters": kills}
    met = all(figures[each][value] == wanted for each in names for value, wanted in goal.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {
        "benchmark": "resume_certificate",
        "figures": {**figures, "seed": asked.seed},
        "goal": goal,
        "met": met,
        "machine": machine,
    }
    print(json.dumps(line))
    return 0 if met else 1


@contextlib.contextmanager
def quiet_servers() -> Iterator[None]:
    """The server of the control plane prints a trace for each connection that a killed process leaves behind."""
    from http.server import ThreadingHTTPServer

    loud: Callable[..., None] = ThreadingHTTPServer.handle_error
    ThreadingHTTPServer.handle_error = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        ThreadingHTTPServer.handle_error = loud  # type: ignore[method-assign]


if __name__ == "__main__":
    raise SystemExit(main())
