"""How fast a training file is checked, and in how much memory. Prints one JSON line.

    python benchmarks/dataset_validation.py [--quick]

The goal is a file of 1 GB inside a Lambda of 1 GB within 15 minutes. Such a Lambda has about 0.58 of a CPU (1,769 MB
buy a whole one), so a whole core here must do 1 GB in 0.58 x 15 minutes. Two files are checked: conversations of
usual length, and the worst case of tiny ones, which need the most work and memory per byte.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "backend"))

CHUNK_BYTES = 1 << 20
LAMBDA_CPU_SHARE = 1024 / 1769
GOAL = {"seconds_for_1_gb_in_lambda": 900, "peak_memory_mb": 900}
WORDS = [
    "the",
    "harbour",
    "lantern",
    "burns",
    "until",
    "morning",
    "and",
    "the",
    "keeper",
    "writes",
    "down",
    "every",
    "ship",
    "that",
    "passes",
    "by",
]


def rows(kind: str) -> Iterator[bytes]:
    """Endless rows, each with a content of its own."""
    turns, words = (6, 60) if kind == "usual" else (2, 3)
    number = 0
    while True:
        number += 1
        messages = [
            {
                "role": "user" if turn % 2 == 0 else "assistant",
                "content": f"{number}.{turn} "
                + " ".join(WORDS[(number + n) % len(WORDS)] for n in range(words)),
            }
            for turn in range(turns)
        ]
        row: dict[str, Any] = {"messages": messages}
        if kind == "usual":
            row["metadata"] = {"persona": f"p{number % 50}", "quality_scores": {"empathy": 4.5, "clarity": 4}}
        yield json.dumps(row).encode() + b"\n"


def chunks(kind: str, total_bytes: int) -> Iterator[bytes]:
    held, given = bytearray(), 0
    for row in rows(kind):
        held += row
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            given += len(held)
            held.clear()
            if given >= total_bytes:
                return


def measure(kind: str, total_bytes: int) -> dict[str, float]:
    """In this process: only the time inside the check counts, making the rows does not."""
    from chalicelib.domain.dataset_check import DatasetCheck

    check, seconds = DatasetCheck(), 0.0
    for chunk in chunks(kind, total_bytes):
        begun = time.process_time()
        check.feed(chunk)
        seconds += time.process_time() - begun
    report = check.report()
    if report.error_count:
        raise SystemExit(f"The generated file was rejected: {report.errors[0]}")
    lambda_seconds = seconds / LAMBDA_CPU_SHARE * (1e9 / report.size_bytes)
    return {
        "megabytes": round(report.size_bytes / 1e6, 1),
        "conversations": report.conversations,
        "megabytes_per_second": round(report.size_bytes / 1e6 / seconds, 2),
        "seconds_for_1_gb_in_lambda": round(lambda_seconds, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def in_its_own_process(kind: str, total_bytes: int) -> dict[str, float]:
    """Peak memory is per process, so each kind gets one."""
    command = [sys.executable, __file__, "--kind", kind, "--bytes", str(total_bytes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 MB of each kind instead of 1 GB")
    parser.add_argument("--kind", choices=("usual", "tiny"), help=argparse.SUPPRESS)
    parser.add_argument("--bytes", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.kind:
        print(json.dumps(measure(asked.kind, asked.bytes)))
        return 0
    total_bytes = 40_000_000 if asked.quick else 1_000_000_000
    figures = {kind: in_its_own_process(kind, total_bytes) for kind in ("usual", "tiny")}
    met = all(each[name] <= most for each in figures.values() for name, most in GOAL.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        json.dumps(
            {
                "benchmark": "dataset_validation",
                "figures": figures,
                "goal": GOAL,
                "met": met,
                "machine": machine,
            }
        )
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
