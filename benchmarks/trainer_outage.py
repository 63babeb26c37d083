"""What a control plane that does not answer costs a training step. Prints one JSON line.

    python benchmarks/trainer_outage.py [--quick] [--blocks N] [--seconds S]

One real trainer process on a tiny model, whose steps take tens of milliseconds, so that reporting weighs more than it
ever will. The control plane answers for some seconds, then refuses everything for as long, and so on in turn; checkpoints fall
due in both. The peer is the same run's steps while it answers. A step's speed is its own tokens per second as the trainer
reports it, since steps differ in length. At the end every step must have arrived, once and in order.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(ROOT / part) for part in ("trainer", "infrastructure/local"))]

from local_models.__main__ import ensure_tiny
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

HIGHEST_RATIO = 1.05
# Just after a switch a step may belong to either side.
MARGIN_SECONDS = 0.3
# More refusals than any block can use up.
REFUSALS = [503] * 1_000_000
PATIENCE_SECONDS = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="four blocks of two seconds instead of --blocks")
    parser.add_argument("--blocks", type=int, default=12, help="blocks in all, half of them away")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a block")
    asked = parser.parse_args()
    blocks, seconds = (4, 2.0) if asked.quick else (asked.blocks, asked.seconds)
    with tempfile.TemporaryDirectory(prefix="trainer-outage-") as folder:
        figures = measure(Path(folder), blocks, seconds)
    met = figures["step_time_ratio"] <= HIGHEST_RATIO and figures["steps_lost_or_doubled"] == 0
    print(
        json.dumps(
            {
                "benchmark": "trainer_outage",
                "figures": figures,
                "goal": {"step_time_ratio": HIGHEST_RATIO, "steps_lost_or_doubled": 0},
                "met": met,
                "machine": {
                    "cores": os.cpu_count(),
                    "python": platform.python_version(),
                    "system": platform.platform(),
                },
            }
        )
    )
    sys.exit(0 if met else 1)


def measure(folder: Path, blocks: int, seconds: float) -> dict[str, Any]:
    """Run the trainer through the blocks, end it early, and compare."""
    models = ensure_tiny(Path(tempfile.gettempdir()) / f"lora-pipeline-models-{TINY.revision}").parent
    with FakeControlPlane(SECRET, as_jsonl(conversations(2000))) as plane:
        job = job_file(
            plane,
            hyperparameters={"epochs": 20},
            checkpoint={"every_steps": 100, "every_seconds": 3600},
            evaluation={
                "max_validation_conversations": 4,
                "sample_prompts": 0,
                "max_new_tokens": 1,
                "prompts": [],
            },
        )
        with trainer_process(plane, job, models, folder / "work"):
            wait_until(lambda: len(plane.of_type("metrics")) > 20, "it trains", PATIENCE_SECONDS)
            periods = [_block(plane, bool(number % 2), seconds) for number in range(blocks)]
            plane.failures = []
            plane.command = "finish"
            wait_until(lambda: finished(plane), "it ends", PATIENCE_SECONDS)
        points = [event for event in plane.of_type("metrics") if event.get("tokens_per_second")]
    steps = [point["step"] for point in points]
    answering, away = (
        [point["tokens_per_second"] for point in points if _within(point["at"], periods, wanted)]
        for wanted in (False, True)
    )
    return {
        "step_time_ratio": round(statistics.median(answering) / statistics.median(away), 4),
        "steps_answering": len(answering),
        "steps_away": len(away),
        "median_tokens_per_second": round(statistics.median(answering)),
        "steps_lost_or_doubled": sum(1 for at, step in enumerate(steps, 1) if at != step),
        "checkpoints_stored": len(plane.of_type("checkpoint")),
    }


def _block(plane: FakeControlPlane, away: bool, seconds: float) -> tuple[float, float, bool]:
    plane.failures = list(REFUSALS) if away else []
    started = time.time()
    time.sleep(seconds)
    return started + MARGIN_SECONDS, time.time(), away


def _within(at: str, periods: list[tuple[float, float, bool]], wanted: bool) -> bool:
    moment = datetime.fromisoformat(at).timestamp()
    return any(start <= moment <= end and away is wanted for start, end, away in periods)


if __name__ == "__main__":
    main()
