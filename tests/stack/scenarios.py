"""Every fault scenario of the real one-machine stack as a table, and what plays any of them.

    python -m tests.stack.scenarios --list
    python -m tests.stack.scenarios --all | --only NAME,... [--json] [--at-once N]

One stack serves them all: first those that disturb only their own jobs, several at a time, then those that must be alone.
Each line of the report says what was done and what was checked; the exit status is 1 when an invariant was violated.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.stack import (
    scenarios_chaos,
    scenarios_control_plane,
    scenarios_people,
    scenarios_pods,
    scenarios_real,
    scenarios_renting,
    scenarios_workers,
)
from tests.stack.breakage import set_slots
from tests.stack.invariants import check_stack
from tests.stack.pod_program import command
from tests.stack.scene import Outcome, Scenario, play
from tests.stack.world import TIMINGS, World, build_package, example_rows

TABLE: tuple[Scenario, ...] = (
    *scenarios_renting.TABLE,
    *scenarios_pods.TABLE,
    *scenarios_people.TABLE,
    *scenarios_workers.TABLE,
    *scenarios_control_plane.TABLE,
    *scenarios_real.TABLE,
    *scenarios_chaos.TABLE,
)
# Deadlines that scenarios wait out are shorter than the stack tests' own.
SCENARIO_TIMINGS = {
    **TIMINGS,
    "provisioning_deadline_seconds": 60,
    "silent_pod_deadline_seconds": 60,
    "termination_handover_seconds": 15,
    # Ten losses of one job must neither end it nor make it wait for minutes.
    "most_recoveries": 12,
    "recovery_backoff_seconds": 0.02,
}
SLOTS = 8
AT_ONCE = 4


def named(names: Sequence[str]) -> tuple[Scenario, ...]:
    """Scenarios by name. KeyError for one that is not in the table."""
    known = {scenario.name: scenario for scenario in TABLE}
    return tuple(known[name] for name in names)


def lasting(scenarios: Sequence[Scenario], seconds: float) -> tuple[Scenario, ...]:
    """The same scenarios; those that go on for a time go on for this one."""
    return tuple(
        replace(each, duration_seconds=seconds) if each.duration_seconds else each for each in scenarios
    )


def a_world(folder: Path) -> World:
    """A stack whose pods run what scenarios need."""
    build_package()
    return World(folder, SCENARIO_TIMINGS, command()).start()


def run(
    scenarios: Sequence[Scenario], world: World, dataset_id: str, at_once: int = AT_ONCE, number: int = 1
) -> Iterator[Outcome]:
    """Play them against one stack; yields each as it is done, and at the end what was found of no one job."""
    set_slots(world, SLOTS)
    done: list[Outcome] = []
    with ThreadPoolExecutor(at_once) as pool:
        together = [
            pool.submit(play, scenario, world, dataset_id, number)
            for scenario in scenarios
            if not scenario.alone
        ]
        for future in as_completed(together):
            done.append(future.result())
            yield done[-1]
    for scenario in scenarios:
        if scenario.alone:
            done.append(play(scenario, world, dataset_id, number))
            yield done[-1]


def judge_stack(outcomes: Sequence[Outcome], world: World) -> Outcome:
    """What belongs to no one job: strangers among the pods, errors in the logs."""
    jobs = [job_id for outcome in outcomes for job_id in outcome.job_ids]
    causes = [cause for outcome in outcomes for cause in outcome.scenario.causes]
    whole = Scenario("whole-stack", "all of the above", "", lambda scene: None)
    return Outcome(whole, (), check_stack(world, jobs, causes, set()), 0.0, tuple(jobs))


def outcomes(scenarios: Sequence[Scenario], home: Path, at_once: int = AT_ONCE) -> Iterator[Outcome]:
    """Play them on a stack of their own in the folder `home`; the last one is about the stack as a whole."""
    world = a_world(home)
    done: list[Outcome] = []
    try:
        dataset = world.api.upload("Scenarios", example_rows())
        for outcome in run(scenarios, world, dataset["id"], at_once):
            done.append(outcome)
            yield outcome
        yield judge_stack(done, world)
    finally:
        world.stop()


def as_line(outcome: Outcome) -> dict[str, Any]:
    """An outcome as data."""
    return {
        "name": outcome.scenario.name,
        "trainer": outcome.scenario.trainer,
        "faults": list(outcome.faults),
        "invariants": outcome.checked.invariants,
        "violations": outcome.checked.violations,
        "seconds": round(outcome.seconds, 1),
        "cost_off_seconds": round(outcome.checked.seconds_off, 1),
        "overlap_seconds": round(outcome.checked.overlap_seconds, 1),
    }


def as_text(outcome: Outcome) -> str:
    """An outcome for people."""
    line = as_line(outcome)
    verdict = "VIOLATED" if line["violations"] else "holds"
    head = (
        f"{verdict:8} {line['name']:34} {line['trainer']:9} {line['seconds']:6.1f} s  "
        f"{len(line['invariants']):2} invariants, cost off by {line['cost_off_seconds']:.1f} s"
    )
    below = [*([f"did: {'; '.join(line['faults'])}"] if line["faults"] else []), *line["violations"]]
    return "\n".join([head, *(f"         {each}" for each in below)])


def as_table() -> str:
    """The scenarios as the documentation shows them."""
    rows = [f"| `{each.name}` | {each.trainer} | {each.broken} | {each.holds} |" for each in TABLE]
    return "\n".join(
        ["| Scenario | Trainer | What is broken | What must hold |", "| --- | --- | --- | --- |", *rows]
    )


def main(arguments: Sequence[str]) -> int:
    """Play what was asked for; 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name, trainer and fault of every scenario")
    parser.add_argument("--table", action="store_true", help="the table of the documentation")
    parser.add_argument("--all", action="store_true", help="play every scenario")
    parser.add_argument("--only", default="", help="play these, separated by commas")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="scenarios played at the same time")
    parser.add_argument("--chaos-seconds", type=float, default=60.0, help="how long `chaos` kills things")
    parser.add_argument("--keep", action="store_true", help="leave the stack's folder with its logs")
    options = parser.parse_args(arguments)
    if options.table:
        sys.stdout.write(as_table() + "\n")
        return 0
    if options.list or not (options.all or options.only):
        for scenario in TABLE:
            sys.stdout.write(f"{scenario.name:34} {scenario.trainer:9} {scenario.broken}\n")
        return 0
    chosen = TABLE if options.all else named(options.only.split(","))
    chosen = lasting(chosen, options.chaos_seconds)
    # A stack must not outlive this process, whoever ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="scenarios-"))
    show: Callable[[Outcome], str] = as_text
    if options.json:
        show = lambda outcome: json.dumps(as_line(outcome))  # noqa: E731
    is_violated = False
    try:
        for outcome in outcomes(chosen, folder / "home", options.at_once):
            is_violated = is_violated or bool(outcome.checked.violations)
            sys.stdout.write(show(outcome) + "\n")
            sys.stdout.flush()
    finally:
        if options.keep:
            sys.stdout.write(f"{folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if is_violated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
