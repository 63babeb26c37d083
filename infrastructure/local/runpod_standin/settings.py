"""What a stand-in is started with."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths are absolute. Durations in seconds, short by default so that tests see the same phases fast."""

    port: int
    state_dir: Path
    api_key: str
    models_dir: Path
    command: tuple[str, ...]
    trainer_dir: Path
    catalogue_path: Path | None = None
    phase_seconds: float = 0.3
    grace_seconds: float = 5.0
    restart_seconds: float = 0.5
    threads: int = 1
    keep_pods: bool = False

    @property
    def tick_seconds(self) -> float:
        """How often pods are looked at: often enough that a short phase is not missed."""
        return min(0.1, max(0.02, self.phase_seconds / 3))


def parse(arguments: Sequence[str]) -> Settings:
    """Reads the command line; exits with usage on a mistake, as argparse does."""
    options = _parser().parse_args(arguments)
    state_dir = options.state_dir.resolve()
    return Settings(
        port=options.port,
        state_dir=state_dir,
        api_key=options.api_key,
        models_dir=(options.models_dir or state_dir / "models").resolve(),
        command=tuple(shlex.split(options.command)) if options.command else (options.python, "-m", "trainer"),
        trainer_dir=options.trainer_dir.resolve(),
        catalogue_path=options.catalogue,
        phase_seconds=options.phase_seconds,
        grace_seconds=options.grace_seconds,
        restart_seconds=options.restart_seconds,
        threads=options.threads,
        keep_pods=options.keep_pods,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runpod_standin", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one and prints it")
    add("--state-dir", type=Path, required=True, help="ledger, logs and work folders of pods")
    add("--api-key", required=True, help="the account key clients must send")
    add("--python", default=sys.executable, help="interpreter that runs the trainer")
    add("--command", help="run this instead of 'PYTHON -m trainer' as PID 1 of every pod")
    add("--trainer-dir", type=Path, default=_REPOSITORY / "trainer", help="folder that contains the package")
    add("--models-dir", type=Path, help="model cache, the network volume of every pod")
    add("--catalogue", type=Path, help="JSON file instead of the built-in catalogue")
    add("--phase-seconds", type=float, default=0.3, help="PROVISIONING, STARTING and 'no runtime yet', each")
    add("--grace-seconds", type=float, default=5.0, help="from SIGTERM to SIGKILL")
    add("--restart-seconds", type=float, default=0.5, help="pause before a container is started again")
    add("--threads", type=int, default=min(4, os.cpu_count() or 1), help="OMP_NUM_THREADS of a pod")
    add("--keep-pods", action="store_true", help="leave pods running on SIGTERM")
    return parser
