"""Runs everything: each scenario undisturbed to learn its calls, then once per call and way to fail; random walks; and
the hunt for planted defects."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import Pool

from chalicelib.domain.job import JobStatus

from tests.lifecycle.faults.effects import LATE_SECONDS, Kind
from tests.lifecycle.faults.injection import Call, Plan
from tests.lifecycle.faults.invariants import Violation
from tests.lifecycle.faults.planted import Planted, planting
from tests.lifecycle.faults.play import run_to_rest
from tests.lifecycle.faults.scenarios import BY_NAME, SCENARIOS, Scenario
from tests.lifecycle.faults.walks import walk


@dataclass(frozen=True)
class Fault:
    """The index-th call of a scenario goes wrong in this way. entry: whose call it was."""

    scenario: str
    index: int
    effect: str
    entry: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.scenario}: call {self.index} {self.effect} {self.kind}"


@dataclass(frozen=True)
class Run:
    """One run of something, by a name that says how to repeat it."""

    name: str
    faults: int
    violations: tuple[Violation, ...]


def undisturbed(scenario: Scenario) -> tuple[list[Call], list[Violation]]:
    """The calls it makes when nothing goes wrong, and what was violated even so."""
    play = scenario.play()
    found = run_to_rest(play)
    return play.injector.calls, found


def faults_of(scenario: Scenario, calls: Iterable[Call]) -> Iterator[Fault]:
    for call in calls:
        for kind in call.effect.kinds:
            yield Fault(scenario.name, call.index, call.effect.name, call.entry, kind)


def single_faults(names: Iterable[str] = BY_NAME) -> list[Fault]:
    """Every one of these scenarios. AssertionError when one is violated undisturbed: then its faults prove nothing."""
    faults: list[Fault] = []
    for name in names:
        calls, found = undisturbed(BY_NAME[name])
        assert not found, (name, found)
        faults += faults_of(BY_NAME[name], calls)
    return faults


def _only(fault: Fault) -> Plan:
    return lambda call: fault.kind if call.index == fault.index else None


def _allowing(scenario: Scenario, fault: Fault) -> Scenario:
    """Somebody's cancel or pause in between may end it so, as may one's own pause that takes effect after a resume."""
    late_pause = fault.effect == "person.pause" and fault.kind in LATE_SECONDS
    if fault.kind is Kind.CANCELLED:
        return replace(scenario, ends=scenario.ends | {JobStatus.CANCELLED})
    if fault.kind is Kind.PAUSED or late_pause:
        return replace(scenario, ends=scenario.ends | {JobStatus.PAUSED})
    return scenario


def disturbed(fault: Fault) -> Run:
    play = _allowing(BY_NAME[fault.scenario], fault).play(_only(fault))
    found = tuple(_looked_at(lambda: run_to_rest(play)))
    return Run(str(fault), len(play.injector.injected), found)


def walked(seed: int) -> Run:
    faults = 0

    def go() -> list[Violation]:
        nonlocal faults
        play = walk(seed)
        faults = len(play.injector.injected)
        return play.found

    found = tuple(_looked_at(go))
    return Run(f"seed {seed}", faults, found)


def _looked_at(work: Callable[[], list[Violation]]) -> list[Violation]:
    """An exception that no caller expects is a violation too."""
    try:
        return work()
    except Exception:
        return [Violation("no-crash", traceback.format_exc(limit=-4))]


def in_parallel(
    work: Callable[[Fault], Run] | Callable[[int], Run], todo: Iterable[object], cores: int
) -> list[Run]:
    """In the order of `todo`."""
    with Pool(cores) as pool:
        return list(pool.imap(work, todo, chunksize=25))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Catch:
    """Which invariant saw a planted defect, and in the how-maniest run."""

    defect: str
    invariant: str
    runs: int
    where: str


def hunt(planted: Planted) -> Catch | None:
    """Runs the defect's scenarios, undisturbed and then fault by fault, until an invariant is violated. None: nothing
    saw it, though every fault was tried."""
    runs = 0
    with planting(planted):
        for scenario in (BY_NAME[name] for name in planted.scenarios):
            calls, found = undisturbed(scenario)
            runs += 1
            if found:
                return Catch(planted.name, found[0].invariant, runs, f"{scenario.name}, undisturbed")
            suspects = sorted(
                faults_of(scenario, calls), key=lambda fault: fault.effect not in planted.suspects
            )
            for fault in suspects:
                run = disturbed(fault)
                runs += 1
                if run.violations:
                    return Catch(planted.name, run.violations[0].invariant, runs, run.name)
    return None


__all__ = [
    "SCENARIOS",
    "Catch",
    "Fault",
    "Run",
    "disturbed",
    "hunt",
    "in_parallel",
    "single_faults",
    "walked",
]
