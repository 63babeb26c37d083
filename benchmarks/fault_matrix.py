"""Whether every promise holds whatever goes wrong. Prints what was tried, then one JSON line.

    python benchmarks/fault_matrix.py [--quick] [--seed N] [--walks N] [--every N] [--jobs N]

The real use cases, domain and state machine run over ports in memory on one clock (tests/lifecycle/faults). Each scripted
scenario is run once undisturbed and then once per call it makes and way that call can fail; then come random walks, in
which many calls fail; then the defects that are planted into the real code, each of which an invariant must see. A
violation is printed with what repeats it. The peer is the planted code: what sees none of its defects proves nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(ROOT / part) for part in ("backend", "trainer", "infrastructure/local"))]

from tests.lifecycle.faults.invariants import ALL, Violation
from tests.lifecycle.faults.matrix import (
    SCENARIOS,
    Catch,
    Run,
    disturbed,
    hunt,
    in_parallel,
    single_faults,
    walked,
)
from tests.lifecycle.faults.planted import PLANTED

GOAL = {"violations": 0, "planted_defects_unseen": 0}
_SHOWN = 10


@dataclass(frozen=True)
class Level:
    """What one kind of run came to."""

    name: str
    scenarios: int
    runs: int
    faults: int
    violated: tuple[Run, ...]

    @classmethod
    def of(cls, name: str, scenarios: int, runs: Iterable[Run]) -> Level:
        done = list(runs)
        violated = tuple(run for run in done if run.violations)
        return cls(name, scenarios, len(done), sum(run.faults for run in done), violated)

    def figures(self) -> dict[str, Any]:
        seen = Counter(violation.invariant for run in self.violated for violation in run.violations[:1])
        return {
            "scenarios": self.scenarios,
            "runs": self.runs,
            "faults": self.faults,
            "violations": len(self.violated),
            **({"violated": dict(seen)} if seen else {}),
        }


def levels(asked: argparse.Namespace) -> list[Level]:
    """Every level of proof, one after the other, the one on the real stack last."""
    every = asked.every or (41 if asked.quick else 1)
    walks = asked.walks or (60 if asked.quick else 5000)
    singles = single_faults()[::every]
    seeds = range(asked.seed, asked.seed + walks)
    done = [
        Level.of("single_faults", len(SCENARIOS), in_parallel(disturbed, singles, asked.jobs)),
        Level.of("random_walks", walks, in_parallel(walked, seeds, asked.jobs)),
    ]
    return done if asked.quick or asked.no_stack else [*done, real_stack(asked.chaos_seconds)]


def real_stack(chaos_seconds: float) -> Level:
    """Every scenario of the one-machine stack, in which servers and pods are processes (docs/fault-scenarios.md)."""
    from tests.stack.scenarios import TABLE, as_text, lasting, outcomes

    runs = []
    with tempfile.TemporaryDirectory(prefix="fault-matrix-") as folder:
        for outcome in outcomes(lasting(TABLE, chaos_seconds), Path(folder) / "home"):
            print(as_text(outcome), file=sys.stderr, flush=True)
            found = tuple(Violation(*each.split(": ", 1)) for each in outcome.checked.violations)
            runs.append(Run(outcome.scenario.name, len(outcome.faults), found))
    return Level.of("real_stack", len(TABLE), runs)


def report(level: Level) -> None:
    """On the error stream: the last line of the output is for machines."""
    print(
        f"{level.name}: {level.runs:,} runs of {level.scenarios:,} scenarios, {level.faults:,} faults, "
        f"{len(ALL)} invariants, {len(level.violated)} violations",
        file=sys.stderr,
    )
    for run in level.violated[:_SHOWN]:
        print(f"  {run.name}: {run.violations[0].invariant}: {run.violations[0].what}", file=sys.stderr)


def report_defects(caught: dict[str, Catch | None]) -> None:
    for name, catch in caught.items():
        seen = "NOT SEEN" if catch is None else f"{catch.invariant} in run {catch.runs} ({catch.where})"
        print(f"planted: {name}: {seen}", file=sys.stderr)


def main() -> int:
    """0 when nothing was violated and every planted defect was seen, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one single fault in 41 and 60 walks instead of all and 5,000"
    )
    parser.add_argument(
        "--seed", type=int, default=100_000, help="of the first walk; the others count on from it"
    )
    parser.add_argument("--walks", type=int, help="random walks")
    parser.add_argument("--every", type=int, help="one single fault in so many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at the same time")
    parser.add_argument("--no-stack", action="store_true", help="leave out the real stack, as --quick does")
    parser.add_argument("--chaos-seconds", type=float, default=300.0, help="of the real stack's chaos")
    asked = parser.parse_args()
    done = levels(asked)
    for level in done:
        report(level)
    caught = {planted.name: hunt(planted) for planted in PLANTED}
    report_defects(caught)
    figures: dict[str, Any] = {level.name: level.figures() for level in done}
    figures |= {
        "invariants": len(ALL),
        "violations": sum(len(level.violated) for level in done),
        "planted_defects": {name: catch.invariant if catch else None for name, catch in caught.items()},
        "planted_defects_unseen": sum(catch is None for catch in caught.values()),
        "first_seed": asked.seed,
    }
    met = all(figures[name] == wanted for name, wanted in GOAL.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "fault_matrix", "figures": figures, "goal": GOAL, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
