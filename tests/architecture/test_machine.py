"""The state machine and the code: one name in four places, no task without a way out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.job import JobStatus

from infrastructure import state_diagram
from tests.architecture import machine as rules

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "backend" / "chalicelib"
ERRORS = LIBRARY / "domain" / "errors.py"


@pytest.fixture
def machine() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "step_functions" / "training_job.asl.json").read_text())
    assert len(list(rules.tasks_of(loaded))) >= 8
    return loaded


def test_a_task_has_one_name_in_four_places(machine: dict[str, Any]) -> None:
    assert rules.misnamed_tasks(machine, LIBRARY) == []
    assert rules.unused_steps(machine, LIBRARY) == []


def test_a_task_with_another_name_is_found(machine: dict[str, Any]) -> None:
    states = machine["States"]
    states["EndPod"] = copy.deepcopy(states["TerminatePod"])
    assert rules.misnamed_tasks(machine, LIBRARY) == ["EndPod: invokes TerminatePod"]
    states["EndPod"]["Arguments"]["FunctionName"] = "${EndPod}"
    assert len(rules.misnamed_tasks(machine, LIBRARY)) == 2, "neither the step nor the use case exists"


def test_a_step_that_no_state_invokes_is_found(machine: dict[str, Any]) -> None:
    states = {name: state for name, state in machine["States"].items() if name != "PollPod"}
    assert rules.unused_steps({"States": states}, LIBRARY) == ["PollPod: no state invokes it"]


def test_every_task_has_a_deadline_and_catches_everything(machine: dict[str, Any]) -> None:
    assert rules.endless_tasks(machine) == []


def test_a_task_without_deadline_or_catch_is_found(machine: dict[str, Any]) -> None:
    del machine["States"]["PollPod"]["TimeoutSeconds"]
    machine["States"]["SettleJob"]["Catch"] = []
    found = rules.endless_tasks(machine)
    assert [sentence.split(":")[0] for sentence in sorted(found)] == ["PollPod", "SettleJob"]


def test_no_function_outlives_its_task(machine: dict[str, Any]) -> None:
    stage = json.loads((ROOT / "backend" / ".chalice" / "config.json").read_text())["stages"]["live"]
    timeouts = {name: entry["lambda_timeout"] for name, entry in stage["lambda_functions"].items()}
    assert rules.outlasting_functions(machine, timeouts) == []
    machine["States"]["PollPod"]["TimeoutSeconds"] = timeouts["PollPod"]
    assert [line.split(":")[0] for line in rules.outlasting_functions(machine, timeouts)] == ["PollPod"]


def test_every_error_that_the_machine_matches_exists(machine: dict[str, Any]) -> None:
    assert rules.unknown_errors(machine, ERRORS) == []


def test_a_misspelt_error_is_found(machine: dict[str, Any]) -> None:
    machine["States"]["ProvisionPod"]["Catch"].insert(
        0, {"ErrorEquals": ["NoCapacty"], "Next": "TerminatePod"}
    )
    assert rules.unknown_errors(machine, ERRORS) == ["ProvisionPod: NoCapacty is no class of errors.py"]


def test_no_wait_stands_in_the_way_of_a_cancel(machine: dict[str, Any]) -> None:
    assert rules.plain_waits(machine) == []


@pytest.mark.parametrize("seconds", [61, "{% $backoff %}", None])
def test_a_long_or_computed_wait_is_found(seconds: object) -> None:
    waits = {
        "States": {"Pause": {"Type": "Wait", "Seconds": seconds}, "Short": {"Type": "Wait", "Seconds": 5}}
    }
    assert len(rules.plain_waits(waits)) == 1


def test_the_lifecycle_page_names_every_state_and_status(machine: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "lifecycle.md").read_text()
    states = {name for name, _ in rules.states_of(machine)}
    assert rules.unmentioned(states, text) == []
    assert rules.unmentioned({status.value for status in JobStatus}, text) == []


def test_a_word_that_only_occurs_inside_another_is_unmentioned() -> None:
    assert rules.unmentioned({"running", "PollPod"}, "rerunning, PollPods") == ["PollPod", "running"]
    assert rules.unmentioned({"running", "PollPod"}, "`running` by PollPod.") == []


def test_the_diagram_of_the_lifecycle_page_is_that_of_the_machine(machine: dict[str, Any]) -> None:
    page = state_diagram.PAGE.read_text(encoding="utf-8")
    assert state_diagram.with_diagram(page, state_diagram.flowchart(machine)) == page
    del machine["States"]["BackOff"]
    assert state_diagram.with_diagram(page, state_diagram.flowchart(machine)) != page
