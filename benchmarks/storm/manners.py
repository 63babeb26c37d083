"""How simulated trainers behave, and the command that makes a stack's pods behave so."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Manners:
    """points_per_batch 0: a batch goes out by the clock, as the real trainer's; else as soon as it has so many points.

    idle_batches: empty ones after each of those, as a trainer whose steps take longer than the interval sends them.
    duplicated, reordered, dropped: shares of batches that the network mistreats, drawn from seed, job and attempt.
    interval_seconds: between batches; 0: what the job file and the replies say. ledger: appended a line of JSON a call.
    """

    steps: int = 20
    step_seconds: float = 0.05
    points_per_batch: int = 0
    idle_batches: int = 0
    checkpoint_every_steps: int = 10
    file_bytes: int = 4096
    interval_seconds: float = 0.0
    seed: int = 0
    duplicated: float = 0.0
    reordered: float = 0.0
    dropped: float = 0.0
    ledger: str = ""

    @classmethod
    def load(cls, path: Path) -> Manners:
        """As saved. ValueError and TypeError for a file that is none of ours."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """For pods that start from now on."""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)


def command(path: Path) -> str:
    """For LORA_PIPELINE_POD_COMMAND: pods with the manners that `path` holds when they start.

    Without site packages, so that a pod is there in a tenth of a second.
    """
    python = [sys.executable, "-S", "-m", "benchmarks.storm.trainer", str(path)]
    return shlex.join(["/usr/bin/env", f"PYTHONPATH={os.fspath(ROOT)}", *python])
