"""How the jobs list grows slower with the number of jobs. Prints one JSON line.

    python benchmarks/jobs_list.py [--quick]

The real index (SQLite and bitmaps in the function, caught up before each answer) over a job store in memory that reads
changes by time, as the table's index does. The peer of each size is the smallest one, asked in turns with it in the same
process. Every round begins with a changed job, so that no answer can be one that was kept. `first` is the first time a
question is asked of a new function, whose cold start (its first answer) begins with the base file. All times are CPU time.
"""

from __future__ import annotations

import argparse
import bisect
import gc
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

from chalicelib.adapters.dynamo.documents import columns
from chalicelib.adapters.dynamo.tables import JobItem
from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch
from chalicelib.views import job_row

from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.jobs_index.rows import PEOPLE, many
from tests.fakes import START, FakeClock, FakeJobs

SIZES = (100, 10_000, 100_000)
_SINCE = (START - timedelta(days=30)).replace(hour=0, minute=0)
_SEVERAL: Mapping[str, Any] = {
    "tab": "active",
    "presets": ("conservative", "balanced", "custom"),
    "costs": ("lt_50", "100_200", "gt_200"),
    "created_by": (PEOPLE[0].id, PEOPLE[1].id),
}
# The largest ratio to the smallest size that each is meant to have.
GOAL = {"default": 1.3, "last_30_days": 1.3, "filtered": 3.0, "searched": 3.0}


def questions(size: int) -> Mapping[str, JobSearch]:
    """Each answers with a page, the counts beside each filter and the number of all that match."""
    middle = size // 25 // 2
    return {
        "default": JobSearch(),
        # What the site asks for when it is opened.
        "last_30_days": JobSearch(created_from=_SINCE),
        # Several filters that leave a whole page at every size; their hits grow with the number of jobs.
        "filtered": JobSearch(**_SEVERAL, sort_by="cost"),
        # Two of a hundred jobs, so that the smallest page is nearly empty.
        "filtered_narrow": JobSearch(tab="failed", presets=("balanced",), sort_by="cost"),
        "filtered_to_the_second": JobSearch(created_from=START - timedelta(days=60, seconds=17)),
        "tagged": JobSearch(tags=("prod",)),
        # One of six jobs.
        "searched": JobSearch(search="harbour"),
        "searched_and_filtered": JobSearch(search="harbour better", **_SEVERAL),
        # One job.
        "searched_rare": JobSearch(search=f"{size}"),
        "far_page": JobSearch(page=middle),
        "far_page_filtered": JobSearch(tab="active", sort_by="name", page=max(1, middle // 2)),
        "by_duration": JobSearch(sort_by="duration"),
    }


class ChangingJobs(FakeJobs):
    """Jobs found by the time they changed, as an index finds them. Counts what is read of the table."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__()
        self._by_change = sorted(jobs, key=lambda job: (job.changed_at, job.id))
        self._times = [job.changed_at for job in self._by_change]
        # The first ones are the same at every size.
        self._first = [job.id for job in jobs[:100]]
        self.read_units = 0.0

    def change(self, number: int, at: datetime) -> None:
        wanted = self._first[number % len(self._first)]
        place = next(place for place, job in enumerate(self._by_change) if job.id == wanted)
        job = self._by_change.pop(place)
        del self._times[place]
        self._by_change.append(replace(job, version=job.version + 1, changed_at=at, notes=f"note {number}"))
        self._times.append(at)

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        first = 0 if changed_at is None else bisect.bisect_left(self._times, changed_at)
        found = self._by_change[first : first + limit]
        # Half a unit for each 4 KB begun of what a query reads, and for one that finds nothing.
        read_bytes = sum(map(_item_bytes, found)) if len(found) <= 100 else 0
        self.read_units += 0.5 * max(1, math.ceil(read_bytes / 4096))
        return found


def _item_bytes(job: Job) -> int:
    """Its document as the table keeps it, and some 200 bytes of keys."""
    return 200 + sum(len(value) for value in columns(JobItem, job).values())


@dataclass
class Site:
    """One size: its store, its index and what was measured."""

    size: int
    store: ChangingJobs
    index: JobsIndex
    times: dict[str, list[float]] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    matching: dict[str, int] = field(default_factory=dict)
    read_units: list[float] = field(default_factory=list)
    start: dict[str, Any] = field(default_factory=dict)


def milliseconds(work: Callable[[], Any]) -> float:
    """CPU time of this process: nothing here waits, and other programs on the machine would be counted otherwise."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1000


def opened(size: int, clock: FakeClock) -> Site:
    """A new function's index, begun from the base file that another one wrote; its first answer is its cold start."""
    store, files = ChangingJobs(many(size)), FakeFiles()
    writer = JobsIndex(store, files, job_row, clock)
    written = writer.rebuild()
    writer.close()
    if written["key"] is None or written["jobs"] != size:
        raise RuntimeError(f"The base file of {size} jobs was not written: {written}")
    site = Site(size, store, JobsIndex(store, files, job_row, clock))
    gc.collect()
    taken = milliseconds(lambda: site.index.search(JobSearch()))
    site.start = {"milliseconds": round(taken, 1), "base_file_bytes": len(files.objects[written["key"]])}
    return site


def ask(site: Site, name: str, question: JobSearch, *, first: bool) -> None:
    site.store.read_units = 0.0
    answers: list[Any] = []
    taken = milliseconds(lambda: answers.append(site.index.search(question)))
    if first:
        site.first[name] = round(taken, 3)
        site.rows[name], site.matching[name] = len(answers[0][0]), answers[0][2]
        return
    site.times.setdefault(name, []).append(taken)
    site.read_units.append(site.store.read_units)


def measure(sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Warm medians, first times and cold starts per size; ratios of each size to the first."""
    clock = FakeClock()
    clock.advance(24 * 3600)
    sites = [opened(size, clock) for size in sizes]
    # The store's jobs are no part of a function, so its collector shall not look through them either.
    gc.freeze()
    for number in range(rounds + 1):
        clock.advance(30)
        for site in sites:
            site.store.change(number, clock.now)
            ask(site, "after_a_change", JobSearch(), first=number == 0)
        # Every size is asked once per round, so that a busy moment hits all alike.
        for name in questions(sizes[0]):
            for site in sites:
                ask(site, name, questions(site.size)[name], first=number == 0)
    for site in sites:
        site.index.close()
    return {"rounds": rounds, **_figures(sites)}


def _figures(sites: Sequence[Site]) -> dict[str, Any]:
    warm = {
        name: {str(site.size): round(statistics.median(site.times[name]), 3) for site in sites}
        for name in sites[0].times
    }
    smallest = str(sites[0].size)
    return {
        "warm_milliseconds": warm,
        "ratios": {
            name: {size: round(value / by_size[smallest], 2) for size, value in by_size.items()}
            for name, by_size in warm.items()
        },
        "first_milliseconds": _per_size(sites, "first"),
        "rows_of_the_page": _per_size(sites, "rows"),
        "matching": _per_size(sites, "matching"),
        "read_units_of_an_answer": {
            str(site.size): {"mean": round(statistics.mean(site.read_units), 3), "most": max(site.read_units)}
            for site in sites
        },
        "cold_start": {str(site.size): site.start for site in sites},
    }


def _per_size(sites: Sequence[Site], name: str) -> dict[str, dict[str, Any]]:
    return {each: {str(site.size): getattr(site, name)[each] for site in sites} for each in sites[0].rows}


def is_met(figures: Mapping[str, Any], largest: int) -> bool:
    reads = list(figures["read_units_of_an_answer"].values())
    in_time = all(figures["ratios"][name][str(largest)] <= limit for name, limit in GOAL.items())
    return in_time and all(each == reads[0] for each in reads)


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 jobs and few rounds")
    quick = parser.parse_args().quick
    sizes = SIZES[:2] if quick else SIZES
    figures = measure(sizes, 7 if quick else 25)
    met = is_met(figures, sizes[-1])
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    goal = {"ratio_of_largest_to_smallest": GOAL, "read_units_of_an_answer": "the same at every size"}
    line = {"benchmark": "jobs_list", "figures": figures, "goal": goal, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
