"""Each scenario once per call and way to fail, a sample of them here; `benchmarks/fault_matrix.py` runs them all."""

from __future__ import annotations

import pytest

from tests.lifecycle.faults.matrix import disturbed, single_faults, undisturbed
from tests.lifecycle.faults.scenarios import BY_NAME, SCENARIOS, Scenario

# A prime, so that the sample goes through calls and kinds alike; all of them take some ten minutes of a core.
_EVERY = 23


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_keeps_every_promise_when_nothing_goes_wrong(scenario: Scenario) -> None:
    calls, found = undisturbed(scenario)
    assert found == []
    assert len(calls) > 40


@pytest.mark.parametrize("name", BY_NAME)
def test_a_scenario_keeps_every_promise_whatever_single_call_goes_wrong(name: str) -> None:
    faults = single_faults([name])
    offset = len(name) % _EVERY
    runs = [disturbed(fault) for fault in faults[offset::_EVERY]]
    assert {run.name: run.violations for run in runs if run.violations} == {}
    assert all(run.faults == 1 for run in runs)


def test_a_fault_is_the_same_call_each_time() -> None:
    """What is found can be found again."""
    first, second = single_faults(["two losses"]), single_faults(["two losses"])
    assert first == second
