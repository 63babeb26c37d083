"""How the jobs list grows slower with the number of jobs. Prints one JSON line.

    python benchmarks/jobs_list.py [--quick]

The real index (SQLite in the function, caught up before each answer) over a job store in memory that reads changes by
time, as the table's index does. The peer of each size is the smallest one, asked in turns with it in the same process.
Cold start is a new function's first answer, begun from the base file. All times are CPU time.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch
from chalicelib.views import job_row

from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.jobs_index.rows import many
from tests.fakes import FakeClock, FakeJobs

SIZES = (100, 10_000, 100_000)
QUESTIONS: Mapping[str, JobSearch] = {
    "default": JobSearch(),
    "filtered": JobSearch(tab="failed", presets=("balanced",), sort_by="cost"),
    "searched": JobSearch(search="harbour"),
}
# Ratios of the largest size to the smallest.
GOAL = {"default": 1.3, "filtered": 3.0, "searched": 3.0}


class SortedJobs(FakeJobs):
    """Jobs that do not change any more, found by time as an index finds them."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__()
        self._by_change = sorted(jobs, key=lambda job: (job.changed_at, job.id))
        self._times = [job.changed_at for job in self._by_change]

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        first = 0 if changed_at is None else bisect.bisect_left(self._times, changed_at)
        return self._by_change[first : first + limit]


def milliseconds(work: Callable[[], Any]) -> float:
    """CPU time of this process: nothing here waits, and other programs on the machine would be counted otherwise."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1000


def cold(size: int, built: JobsIndex, store: SortedJobs, files: FakeFiles) -> dict[str, Any]:
    """First answer of a new function: fetch, open and check the base file, catch up, list."""
    written = built.rebuild()
    if written["key"] is None or written["jobs"] != size:
        raise RuntimeError(f"The base file of {size} jobs was not written: {written}")
    fresh = JobsIndex(store, files, job_row, FakeClock())
    taken = milliseconds(lambda: fresh.search(QUESTIONS["default"]))
    fresh.close()
    return {"milliseconds": round(taken, 1), "base_file_bytes": len(files.objects[written["key"]])}


def measure(sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Warm medians and cold starts per size; ratios of each size to the first."""
    indexes: dict[int, JobsIndex] = {}
    starts: dict[str, Any] = {}
    for size in sizes:
        store, files = SortedJobs(many(size)), FakeFiles()
        indexes[size] = JobsIndex(store, files, job_row, FakeClock())
        _, _, total = indexes[size].search(QUESTIONS["default"])
        if total != size:
            raise RuntimeError(f"{total} of {size} jobs are listed.")
        starts[str(size)] = cold(size, indexes[size], store, files)
    warm = _warm(indexes, rounds)
    for index in indexes.values():
        index.close()
    first = str(sizes[0])
    return {
        "rounds": rounds,
        "warm_milliseconds": warm,
        "ratios": {
            name: {size: round(value / by_size[first], 2) for size, value in by_size.items() if size != first}
            for name, by_size in warm.items()
        },
        "cold_start": starts,
    }


def _warm(indexes: Mapping[int, JobsIndex], rounds: int) -> dict[str, dict[str, float]]:
    """Every size is asked once per round, so that a busy moment hits all alike; the first round is not counted."""
    times: dict[str, dict[str, list[float]]] = {
        name: {str(size): [] for size in indexes} for name in QUESTIONS
    }
    for number in range(rounds + 1):
        for name, question in QUESTIONS.items():
            for size, index in indexes.items():
                taken = milliseconds(lambda index=index, question=question: index.search(question))  # type: ignore[misc]
                if number:
                    times[name][str(size)].append(taken)
    return {
        name: {size: round(statistics.median(values), 3) for size, values in by_size.items()}
        for name, by_size in times.items()
    }


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 jobs and few rounds")
    quick = parser.parse_args().quick
    sizes = SIZES[:2] if quick else SIZES
    figures = measure(sizes, 7 if quick else 15)
    reached = {name: ratios[str(sizes[-1])] for name, ratios in figures["ratios"].items()}
    met = all(reached[name] <= limit for name, limit in GOAL.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    goal = {"ratio_of_largest_to_smallest": GOAL}
    line = {"benchmark": "jobs_list", "figures": figures, "goal": goal, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
