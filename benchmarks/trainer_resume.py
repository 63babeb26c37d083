"""Whether a training run killed at any moment ends with the same bytes. Prints one JSON line.

    python benchmarks/trainer_resume.py [--quick] [--seed N]

The peer is the same run unbroken. Each broken run is a real trainer process on a tiny model, ended with SIGKILL at a
random moment between its first word and its last upload. A second process with an empty disk goes on from what had
reached storage. Identical means: every step is there, every loss is the same number, the adapter is the same file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "trainer"), str(ROOT / "infrastructure" / "local")]

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
CHECKPOINT = {"every_steps": 2, "every_seconds": 3600}
ADAPTER = "adapter_model.safetensors"
# A process that neither reports nor ends within this is a failed run, not a slow machine.
PATIENCE_SECONDS = 300.0


def losses(plane: FakeControlPlane) -> dict[int, set[float]]:
    """Every loss reported for each step; a step that was trained twice may have two."""
    found: dict[int, set[float]] = {}
    for event in plane.of_type("metrics"):
        if event.get("training_loss") is not None:
            found.setdefault(int(event["step"]), set()).add(float(event["training_loss"]))
    return found


def unbroken(models: Path, folder: Path) -> tuple[dict[int, set[float]], bytes]:
    """Losses and adapter of the run that nobody disturbs."""
    with FakeControlPlane(SECRET, DATASET) as plane:
        job = job_file(plane, checkpoint=CHECKPOINT)
        with trainer_process(plane, job, models, folder / "unbroken" / "work"):
            wait_until(lambda: finished(plane), "the unbroken run is finished", PATIENCE_SECONDS)
        return losses(plane), plane.stored("artifacts/")[ADAPTER]


def broken(models: Path, folder: Path, kill_at_step: int, delay_seconds: float) -> FakeControlPlane:
    """What was reported and stored by a run killed that long after that step, and by its successor."""
    with FakeControlPlane(SECRET, DATASET) as plane:
        job = job_file(plane, checkpoint=CHECKPOINT)
        with trainer_process(plane, job, models, folder / "killed" / "work") as process:
            wait_until(
                lambda: plane.hellos and len(losses(plane)) >= kill_at_step,
                f"step {kill_at_step} is reported",
                PATIENCE_SECONDS,
            )
            time.sleep(delay_seconds)
            process.kill()
            process.wait()
        # Another machine: the disk is empty, and the control plane counts the new attempt's words from zero.
        plane.fence, plane.next_sequence = "fence-0002", 0
        plane.files = {name: body for name, body in plane.files.items() if not name.startswith("artifacts/")}
        plane.events = [event for event in plane.events if event["type"] != "stage"]
        second = job_file(plane, attempt=2, checkpoint=CHECKPOINT)
        with trainer_process(plane, second, models, folder / "resumed" / "work"):
            wait_until(lambda: finished(plane), "the resumed run is finished", PATIENCE_SECONDS)
        return plane


def measure(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Counts of identical runs, and where each was killed and resumed."""
    from local_models.__main__ import ensure_tiny

    models = ensure_tiny(Path(tempfile.gettempdir()) / f"lora-pipeline-models-{TINY.revision}").parent
    expected, adapter = unbroken(models, folder)
    chance = random.Random(seed)
    same_losses, same_adapters, runs = 0, 0, []
    for number in range(kills):
        step, delay_seconds = chance.randrange(len(expected) + 1), round(chance.uniform(0, 0.5), 3)
        plane = broken(models, folder / str(number), step, delay_seconds)
        same_losses += losses(plane) == expected
        same_adapters += plane.stored("artifacts/")[ADAPTER] == adapter
        resumed = plane.of_type("resume_evidence")
        runs.append(
            {
                "killed_after_step": step,
                "delay_seconds": delay_seconds,
                "resumed_from_step": resumed[-1]["resumed_from_step"] if resumed else 0,
            }
        )
    return {
        "kills": kills,
        "identical_losses": same_losses,
        "identical_adapters": same_adapters,
        "steps": len(expected),
        "seed": seed,
        "runs": runs,
    }


def main() -> int:
    """0 when every run ended identically, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three kills instead of ten")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the moments"
    )
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # The server of the control plane prints a trace for each connection that a killed process leaves behind.
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        figures = measure(3 if asked.quick else 10, asked.seed, Path(name))
    goal = {"identical_losses": figures["kills"], "identical_adapters": figures["kills"]}
    met = all(figures[name] == wanted for name, wanted in goal.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "trainer_resume", "figures": figures, "goal": goal, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
