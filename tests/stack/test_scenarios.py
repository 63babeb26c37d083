"""A few fault scenarios of the table, those that no other test of the stack covers; `scenarios.py` plays all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.pod_program import command
from tests.stack.scenarios import SCENARIO_TIMINGS, judge_stack, named, run
from tests.stack.world import World, build_package, example_rows

pytestmark = [pytest.mark.stack, pytest.mark.slow]

# All of the kind that disturbs only its own job: several are played at the same time.
CHOSEN = (
    "create-reply-dropped",
    "create-500-after",
    "no-capacity-first",
    "no-capacity-anywhere",
    "request-422",
    "list-lags-deleted",
    "pod-disappears-finalization",
    "delete-ignored-for-long",
    "process-dies-loading",
    "webhooks-twice-and-out-of-order",
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack whose pods run what scenarios need."""
    build_package()
    world = World(tmp_path_factory.mktemp("scenarios") / "home", SCENARIO_TIMINGS, command()).start()
    yield world
    world.stop()


def test_whatever_goes_wrong_the_invariants_hold(own: World) -> None:
    scenarios = named(CHOSEN)
    assert not [scenario.name for scenario in scenarios if scenario.alone]
    dataset: dict[str, Any] = own.api.upload("Scenarios", example_rows())
    outcomes = list(run(scenarios, own, dataset["id"]))
    outcomes.append(judge_stack(outcomes, own))
    assert len(outcomes) == len(CHOSEN) + 1
    # Each scenario did what it is about, and looked at what its jobs left.
    assert all(outcome.checked.invariants for outcome in outcomes)
    assert {o.scenario.name: o.checked.violations for o in outcomes if o.checked.violations} == {}
