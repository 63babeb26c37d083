"""Two hundred jobs at once: does every one complete, with every point once, and how soon is a point readable? Prints one line.

    python benchmarks/webhook_ingest.py [--quick] [--jobs N] [--limit N]

The whole one-machine stack runs: site, gateway, packaged Lambdas, state machine, provider. Only training is simulated:
pods say hello, send signed batches (10 % doubled, 10 % reordered, 5 % lost and sent again, drawn from a seed), ask for
links, and upload checkpoints and results with true checksums. A client polls /live of each running job every 5 s.

- `row_p95_milliseconds`: from a batch's request being received by a warm function to its row being written.
- `readable_p95_seconds`: from a point's own time at the trainer to the poll that brought it. A point waits for its batch
  (5 s while somebody watches), and then for the next poll (5 s), so the goal of 5 s stands on top of the batch's interval.

Two shared cores run trainers, functions, emulator and client alike, so times say little and ratios more: one job alone,
then the storm, then batches as fast as they are answered, from one job and from as many as the limit lets in; the peer
is `GET /api/health`, which does nothing but ask whether storage is there, through the same gateway in the same seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend"), str(ROOT / "infrastructure" / "local")]

import httpx
from chalicelib.domain.job import ACTIVE, JobStatus

from benchmarks.storm.manners import Manners
from benchmarks.storm.stage import Stage, moment, most_at_once, share_at
from benchmarks.storm.watcher import Watcher

EVENTS = "POST /webhooks/pods/{job_id}/events"
GOAL = {
    "completed_share": 1.0,
    "points_lost_or_doubled": 0,
    "pods_left": 0,
    "row_p95_milliseconds": 200.0,
    "readable_p95_seconds": 10.0,
}
WEATHER = {"duplicated": 0.10, "reordered": 0.10, "dropped": 0.05, "seed": 7}
# Some sixteen seconds of work, and three or four batches of it.
STORM = Manners(steps=40, step_seconds=0.4, checkpoint_every_steps=25, **WEATHER)  # type: ignore[arg-type]
BRIEF = replace(STORM, steps=20, step_seconds=0.3, checkpoint_every_steps=15)
FLOOD = Manners(steps=600, step_seconds=0.0, points_per_batch=15, checkpoint_every_steps=10_000)
# Connections that ask at the same time: each keeps a worker of the stand-in busy, and there are two cores.
SUBMITTERS = 6
JOB_SECONDS = 240.0
LOOK_SECONDS = 2.0
WAITED_FOR = sorted({*ACTIVE, JobStatus.QUEUED})


def submit(stage: Stage, count: int, name: str) -> tuple[list[str], float]:
    """Ids of jobs that were all asked for at once, and how many seconds that took."""
    begun = time.monotonic()
    headers = dict(stage.api.http.headers)
    with (
        httpx.Client(base_url=stage.api.http.base_url, headers=headers, timeout=120) as http,
        ThreadPoolExecutor(SUBMITTERS) as pool,
    ):
        ids = list(pool.map(lambda number: stage.start(http, f"{name} {number}"), range(count)))
    return ids, time.monotonic() - begun


def until_ended(stage: Stage, timeout_seconds: float) -> None:
    """Return once no job is queued, runs, or has a pod left, or when the time is up: the figures then tell."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        # Those that run first, whose number does not grow with the queue: looking must not be part of the load.
        if not stage.jobs.slots().holders and not any(map(stage.jobs.by_status, WAITED_FOR)):
            return
        time.sleep(LOOK_SECONDS)


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """`work(stop)` in a thread of its own, until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=120)


def health_times(stage: Stage, seconds: list[float]) -> Callable[[threading.Event], None]:
    """The peer: one request a second."""

    def ask(stop: threading.Event) -> None:
        with httpx.Client(base_url=stage.api.http.base_url, timeout=30) as http:
            while not stop.wait(1.0):
                begun = time.monotonic()
                if http.get("/health").status_code == 200:
                    seconds.append(time.monotonic() - begun)

    return ask


def run(stage: Stage, manners: Manners, count: int, limit: int, name: str) -> dict[str, Any]:
    """One size: jobs at once against a limit, watched by a client, beside the peer."""
    manners = Manners.load(stage.behave(manners))
    stage.limit(limit)
    began_at, calls_before, invocations_before = time.time(), len(stage.trainer_calls()), len(stage.metered())
    watcher, peer, refusals_before = Watcher(stage), list[float](), len(stage.refusals)
    with beside(watcher.watch), beside(health_times(stage, peer)):
        ids, submit_seconds = submit(stage, count, name)
        until_ended(stage, JOB_SECONDS * (1 + count / limit))
    calls = stage.trainer_calls()[calls_before:]
    received = [one for one in stage.metered()[invocations_before:] if one["route"] == EVENTS]
    rows = [row_milliseconds(one) for one in received if not one["cold"]]
    answered = [call for call in calls if call["next_sequence"] is not None]
    span = max(call["at"] for call in answered) - min(call["at"] for call in answered)
    sent = sum(len(call["points"]) for call in answered)
    reply = statistics.median(call["milliseconds"] for call in answered)
    return {
        "jobs": count,
        "limit": limit,
        **outcome(stage, ids, manners, began_at),
        "most_slots": watcher.most_slots,
        "submit_seconds": round(submit_seconds, 1),
        "submissions_repeated": len(stage.refusals) - refusals_before,
        "batches": len(answered),
        "batches_mistreated": sum(call["how"] not in {"sent", "overtaken"} for call in calls),
        "batches_refused": sum(call["how"].startswith("failed") for call in calls),
        "points_sent_per_second": round(sent / span, 1),
        "row_median_milliseconds": round(statistics.median(rows), 1),
        "row_p95_milliseconds": round(share_at(rows, 0.95), 1),
        "cpu_p95_milliseconds": round(share_at([one["cpu_milliseconds"] for one in received], 0.95), 1),
        "cold_starts": len(received) - len(rows),
        "reply_median_milliseconds": round(reply, 1),
        "health_median_milliseconds": round(statistics.median(peer) * 1000, 1) if peer else None,
        "reply_to_health": round(reply / 1000 / statistics.median(peer), 2) if peer else None,
        "readable_median_seconds": round(share_at(watcher.delays(calls), 0.5), 1),
        "readable_p95_seconds": round(share_at(watcher.delays(calls), 0.95), 1),
    }


def row_milliseconds(invocation: dict[str, Any]) -> float:
    """From the function's receiving a batch to the end of its last write."""
    writes = [call["ended_milliseconds"] for call in invocation["calls"] if call.get("written")]
    return float(max(writes, default=invocation["milliseconds"]))


def outcome(stage: Stage, ids: Sequence[str], manners: Manners, began_at: float) -> dict[str, Any]:
    """How the jobs ended, whether storage holds each point once, and what the provider's books say."""
    jobs = [stage.jobs.get(job_id) for job_id in ids]
    ends = Counter("missing" if job is None else job.status.value for job in jobs)
    expected = list(range(1, manners.steps + 1))
    wrong = 0
    for job_id in ids:
        steps = [int(row["step"]) for block in stage.progress.blocks(job_id) for row in block.rows]
        wrong += len(set(expected) ^ set(steps)) + len(steps) - len(set(steps))
    pods = [pod for pod in stage.pods() if moment(pod["created_at"]) >= began_at - 1]
    return {
        "completed_share": round(ends["completed"] / len(ids), 4),
        "ends": dict(ends),
        "points_lost_or_doubled": wrong,
        "pods_left": sum(pod["ended_at"] is None for pod in pods),
        "pods_rented": len(pods),
        "most_pods_at_once": most_at_once(pods),
        "slots_held_after": len(stage.jobs.slots().holders),
    }


def flood(stage: Stage, jobs: int) -> float:
    """Points a second that are stored while as many jobs send batches of fifteen as fast as they are answered."""
    stage.behave(FLOOD)
    stage.limit(jobs)
    before = len(stage.trainer_calls())
    submit(stage, jobs, f"Flood of {jobs}")
    until_ended(stage, JOB_SECONDS * 3)
    calls = [call for call in stage.trainer_calls()[before:] if call["points"] and call["next_sequence"]]
    begins = [call["at"] - call["milliseconds"] / 1000 for call in calls]
    seconds = float(max(call["at"] for call in calls) - min(begins))
    return sum(len(call["points"]) for call in calls) / seconds


def measure(jobs: int, limit: int, manners: Manners, keep: Path | None) -> dict[str, Any]:
    """Every size on one stack, one after the other."""
    with tempfile.TemporaryDirectory() as temporary, Stage(keep or Path(temporary)) as stage:
        # Its functions' first calls load what a warm Lambda has.
        run(stage, manners, 1, limit, "Warm-up")
        alone = run(stage, manners, 1, limit, "Alone")
        storm = run(stage, manners, jobs, limit, "Storm")
        one, many = flood(stage, 1), flood(stage, limit)
    return {
        **storm,
        "alone": {name: alone[name] for name in alone if "second" in name or name == "reply_to_health"},
        "row_p95_storm_to_alone": round(storm["row_p95_milliseconds"] / alone["row_p95_milliseconds"], 2),
        "flood_points_per_second": {"1": round(one), str(limit): round(many)},
        "flood_ratio": round(many / one, 2),
    }


def met(figures: dict[str, Any]) -> bool:
    """Every goal, and never more slots or pods than the limit."""
    within = figures["most_slots"] <= figures["limit"] and figures["most_pods_at_once"] <= figures["limit"]
    return (
        within
        and figures["completed_share"] >= GOAL["completed_share"]
        and all(figures[name] <= limit for name, limit in GOAL.items() if name != "completed_share")
    )


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="12 shorter jobs against 3 instead of 200 against 10"
    )
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--keep", type=Path, help="an empty folder for what was noted, which then stays")
    options = parser.parse_args()
    jobs, limit, manners = (12, 3, BRIEF) if options.quick else (200, 10, STORM)
    figures = measure(options.jobs or jobs, options.limit or limit, manners, options.keep)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    is_met = met(figures)
    line = {
        "benchmark": "webhook_ingest",
        "figures": figures,
        "goal": GOAL,
        "met": is_met,
        "machine": machine,
    }
    print(json.dumps(line))
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
