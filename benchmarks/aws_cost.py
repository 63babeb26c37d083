"""What AWS charges for a job of twenty hours, counted on the one-machine stack and priced. Prints one JSON line.

    python benchmarks/aws_cost.py [--quick]

Simulated trainers send real batches through the packaged functions, whose every AWS call is metered with the bytes it
moved. For each step time two jobs of different lengths run, both longer than the progress row takes to grow to its full
size; the line through them gives what every job costs and what each batch adds. Two more jobs, with few and more
checkpoints, give what a checkpoint adds, the sweeper with and without a running job what a job-minute adds. Twenty hours
at production's settings are then 4,800 batches of 15 s, 240 checkpoints of 300 s (720 of 100 steps where a step takes a
second), and 1,200 minutes. The execution's history must have the same number of events whatever the length.

`usd_per_20_h_job` is that of the requirements' own job, some thousand steps in twenty hours, at list prices; `jobs` has
faster steps too, and what is left of each bill where AWS's monthly free tiers are not used up by anything else.

Durations of functions are put together from their CPU time here and 10 ms a call to AWS; task tokens are taken to be 800
characters longer than the stand-in's, as AWS's are. Prices: benchmarks/storm/prices.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend"), str(ROOT / "infrastructure" / "local")]

from chalicelib.use_cases.post_costs import LAG

from benchmarks.storm.idle import month_of_idling
from benchmarks.storm.manners import Manners
from benchmarks.storm.prices import FREE_A_MONTH, READ_ON, REGION, cost_usd
from benchmarks.storm.stage import Stage
from benchmarks.storm.units import Units, line_through, of_invocations, plus, times

GOAL = {"usd_per_20_h_job": 0.05, "history_events_of_20_h_job": 500}
HOURS = 20
BATCH_SECONDS, CHECKPOINT_SECONDS, CHECKPOINT_STEPS, MINUTE_SECONDS = 15, 300, 100, 60
BATCHES = HOURS * 3600 // BATCH_SECONDS
MINUTES = HOURS * 3600 // MINUTE_SECONDS
WATCHED_SECONDS = 5
POLLS_AN_HOUR = 3600 // WATCHED_SECONDS
# A running job's line of the books is written each few minutes, which calls in a row do not show: one unit, and one
# more in its index.
BOOKS_A_MINUTE = {"write_units": 2 * MINUTE_SECONDS / LAG.total_seconds()}
# Nothing in the middle of a run depends on these; they only make it short.
TIMINGS = {"termination_poll_seconds": 1, "recovery_backoff_seconds": 1}
SOME_CHECKPOINTS, MORE_CHECKPOINTS = 4, 11


@dataclass(frozen=True)
class Pace:
    """A job whose steps take so long: so many points in a batch, or so many empty batches after one with a point."""

    step_seconds: int
    points: int
    empty: int = 0

    @property
    def checkpoints(self) -> int:
        """In twenty hours: every 100 steps or 300 s, whichever comes first."""
        return HOURS * 3600 // min(CHECKPOINT_SECONDS, CHECKPOINT_STEPS * self.step_seconds)

    def manners(self, full_batches: int, checkpoints: int = 0) -> Manners:
        """A trainer that sends so many batches with points, and the empty ones between, as fast as they are answered."""
        steps = full_batches * self.points
        return Manners(
            steps=steps,
            step_seconds=0.0,
            points_per_batch=self.points,
            idle_batches=self.empty,
            checkpoint_every_steps=steps // checkpoints if checkpoints else steps + 1,
        )


REFERENCE = Pace(60, 1, empty=3)
PACES = (REFERENCE, Pace(5, 3), Pace(1, 15))
# The row keeps marks of its pace from 40 batches with points.
FEW, MANY, MANY_IF_QUICK = 44, 104, 60


@dataclass(frozen=True)
class Ran:
    """What one job took from AWS, and the length of its execution's history."""

    units: Units
    batches: int
    history_events: int


def run(stage: Stage, manners: Manners, name: str) -> Ran:
    """One job, alone, with everything the functions did for it."""
    stage.behave(manners)
    before = len(stage.metered())
    calls_before = len(stage.trainer_calls())
    job_id = stage.start(stage.api.http, name)
    job = stage.until_over(job_id)
    assert job.status.value == "completed", job.end_sentence
    history = stage.history(job_id)
    lines = [line for line in stage.metered()[before:] if concerns(line, job_id)]
    entered = sum("stateEnteredEventDetails" in event for event in history)
    # One trace an execution, which its steps are part of.
    units = plus(of_invocations(lines), {"state_transitions": entered, "traces": 1.0})
    batches = sum(
        call["points"] != [] or call["events"] == 0 for call in stage.trainer_calls()[calls_before:]
    )
    return Ran(units, batches, len(history))


def concerns(line: Mapping[str, Any], job_id: str) -> bool:
    """Making the job, its trainer's calls, and its steps; not those who look at it."""
    if line["route"] is None:
        return bool(line["job_id"] == job_id)
    return line["route"] == "POST /api/jobs" or (line["job_id"] == job_id and "/webhooks/" in line["route"])


def twenty_hours(stage: Stage, pace: Pace, many: int, others: Units) -> tuple[dict[str, Any], Units]:
    """(the bill of a job of this pace, what each batch adds), from two lengths. others: what checkpoints and minutes add."""
    name = f"Steps of {pace.step_seconds} s"
    shorter = run(stage, pace.manners(FEW), f"{name}, shorter")
    longer = run(stage, pace.manners(many), f"{name}, longer")
    fixed, batch = line_through(shorter.units, longer.units, shorter.batches, longer.batches)
    units = plus(fixed, times(batch, BATCHES), others)
    usd = cost_usd(units)
    fits = min(
        int(free / Decimal(str(units[kind]))) for kind, free in FREE_A_MONTH.items() if units.get(kind)
    )
    bill = {
        "usd": dollars(sum(usd.values(), Decimal(0))),
        "usd_within_free_tiers": dollars(
            sum((amount for kind, amount in usd.items() if kind not in FREE_A_MONTH), Decimal(0))
        ),
        "jobs_a_month_within_free_tiers": fits,
        "usd_by_kind": {
            kind: dollars(amount) for kind, amount in sorted(usd.items()) if amount >= Decimal("0.00005")
        },
        "units": rounded(units),
        "per_batch": rounded(batch),
        "fixed": rounded(fixed),
        "batches_of_the_runs": [shorter.batches, longer.batches],
        "history_events": [shorter.history_events, longer.history_events],
    }
    return bill, batch


def dollars(amount: Decimal) -> float:
    """To a hundredth of a cent."""
    return float(round(amount, 4))


def rounded(units: Mapping[str, float]) -> dict[str, float]:
    """For people; what is not used is left out."""
    return {kind: round(amount, 4) for kind, amount in sorted(units.items()) if round(amount, 4)}


def of_checkpoint(stage: Stage) -> Units:
    """What a checkpoint of five files adds, with the removal of the one it replaces: both jobs have more than are kept."""
    some = run(stage, REFERENCE.manners(FEW, SOME_CHECKPOINTS), "Some checkpoints")
    more = run(stage, REFERENCE.manners(FEW, MORE_CHECKPOINTS), "More checkpoints")
    return line_through(some.units, more.units, SOME_CHECKPOINTS, MORE_CHECKPOINTS)[1]


def of_watching(stage: Stage, batch: Units) -> Units:
    """What each hour adds in which somebody has the page open: polls each 5 s, and batches each 5 s instead of 15 s."""
    job_id = stage.start(stage.api.http, "Watched")
    stage.until_over(job_id)
    before = len(stage.metered())
    for _ in range(5):
        stage.api.get(f"/jobs/{job_id}/live")
    polls = [line for line in stage.metered()[before:] if line["route"] == "GET /api/jobs/{job_id}/live"]
    more = 3600 // WATCHED_SECONDS - 3600 // BATCH_SECONDS
    return plus(times(of_invocations(polls), POLLS_AN_HOUR / len(polls)), times(batch, more))


def measure(many: int, paces: Sequence[Pace]) -> dict[str, Any]:
    """Everything, on one stack, one after the other."""
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), TIMINGS) as stage:
        # Its functions' first calls load what a warm Lambda has.
        run(stage, REFERENCE.manners(5, 1), "Warm-up")
        idle, per_job_minute = month_of_idling(stage)
        per_job_minute = plus(per_job_minute, BOOKS_A_MINUTE)
        checkpoint = of_checkpoint(stage)
        bills = {}
        for pace in paces:
            others = plus(times(checkpoint, pace.checkpoints), times(per_job_minute, MINUTES))
            bill, batch = twenty_hours(stage, pace, many, others)
            bills[f"{pace.step_seconds}_s_steps"] = bill
        watching = cost_usd(of_watching(stage, batch))
    histories = [events for bill in bills.values() for events in bill["history_events"]]
    return {
        "usd_per_20_h_job": bills[f"{REFERENCE.step_seconds}_s_steps"]["usd"],
        "history_events_of_20_h_job": max(histories),
        "history_grows": any(
            bill["history_events"][0] < bill["history_events"][1] for bill in bills.values()
        ),
        "jobs": bills,
        "per_checkpoint": rounded(checkpoint),
        "per_job_minute": rounded(per_job_minute),
        "usd_per_hour_watched": dollars(sum(watching.values(), Decimal(0))),
        "idle_month": idle,
        "prices": {"region": REGION, "read_on": READ_ON},
    }


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one step time instead of three, and shorter jobs"
    )
    quick = parser.parse_args().quick
    figures = measure(MANY_IF_QUICK, (REFERENCE,)) if quick else measure(MANY, PACES)
    met = not figures["history_grows"] and all(figures[name] <= limit for name, limit in GOAL.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "aws_cost", "figures": figures, "goal": GOAL, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
