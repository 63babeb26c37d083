"""State machines and their executions after `kill -9`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_stack.stand_in import StandIn, wait_until
from tests.local_stack.test_durability import _restart, _saved

pytestmark = pytest.mark.stack

MACHINE: dict[str, Any] = {
    "StartAt": "Choose",
    "States": {
        "Choose": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.wait", "BooleanEquals": True, "Next": "Wait"}],
            "Default": "Done",
        },
        "Wait": {"Type": "Wait", "Seconds": 600, "End": True},
        "Done": {"Type": "Pass", "Result": "done", "End": True},
    },
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in of this test alone, to be killed."""
    started = StandIn(tmp_path / "aws").start()
    yield started
    started.kill9()


def test_a_running_execution_comes_back_failed_and_its_name_stays_used(server: StandIn) -> None:
    machine = server.machine("jobs", MACHINE)
    wait_until(lambda: "Choose" in _saved(server, "stepfunctions"), "the machine is saved")
    sfn = server.client("stepfunctions")
    running = sfn.start_execution(stateMachineArn=machine, name="job-1-r1", input='{"wait": true}')[
        "executionArn"
    ]
    finished = sfn.start_execution(stateMachineArn=machine, name="job-2-r1", input='{"wait": false}')[
        "executionArn"
    ]
    server.finished(finished)
    for _ in range(2):
        _restart(server)
        failed = sfn.describe_execution(executionArn=running)
        assert (failed["status"], failed["error"]) == ("FAILED", "States.ServiceRestart")
        assert json.loads(sfn.describe_execution(executionArn=finished)["output"]) == "done"
        events = [e["type"] for e in sfn.get_execution_history(executionArn=finished)["events"]]
        assert events[-1] == "ExecutionSucceeded"
        for name in ("job-1-r1", "job-2-r1"):
            with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
                sfn.start_execution(stateMachineArn=machine, name=name, input='{"wait": true}')
