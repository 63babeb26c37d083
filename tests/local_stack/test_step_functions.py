"""Task tokens, their limits and repeated starts, as Step Functions documents them and as the stock stand-in
errs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_stack.stand_in import StandIn, inside, wait_until

pytestmark = pytest.mark.stack

# Stores the token where a test finds it: the stand-in of a parameter store is as good a place as any.
TOKEN_KEEPER = """
import json, os, urllib.request
def handler(event, context):
    if event.get("fail"):
        raise RuntimeError("cannot pass the token on")
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], method="POST", headers={
        "X-Amz-Target": "AmazonSSM.PutParameter", "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/ssm/aws4_request, "
                         "SignedHeaders=host, Signature=0"}, data=json.dumps(
        {"Name": event["name"], "Value": event["token"], "Type": "String", "Overwrite": True}).encode())
    urllib.request.urlopen(request).read()
"""
WAITING = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Catch": [
        {"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Silent"},
        {"ErrorEquals": ["States.Timeout"], "Next": "Late"},
        {"ErrorEquals": ["RuntimeError"], "Next": "NotPassedOn"},
    ],
    "End": True,
}
ENDS = {name: {"Type": "Pass", "Result": name, "End": True} for name in ("Silent", "Late", "NotPassedOn")}


def _machine(server: StandIn, name: str, **limits: Any) -> str:
    try:
        server.function("token-keeper", TOKEN_KEEPER)
    except ClientError as error:
        assert "already exist" in str(error)  # noqa: PT017 - made by an earlier test of the session
    task = {
        **WAITING,
        **limits,
        "Parameters": {
            "FunctionName": "token-keeper",
            "Payload": {"token.$": "$$.Task.Token", "name": name, "fail.$": "$.fail"},
        },
    }
    return server.machine(name, {"StartAt": "Wait", "States": {"Wait": task, **ENDS}})


def _start(server: StandIn, machine: str, fail: bool = False, **more: Any) -> str:
    started = server.client("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps({"fail": fail, **more})
    )
    return str(started["executionArn"])


def _token(server: StandIn, name: str) -> str:
    ssm = server.client("ssm")

    def read() -> str | None:
        try:
            return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            return None

    return wait_until(read, "the token was passed on")


@pytest.mark.parametrize(
    ("name", "limits", "more", "end"),
    [
        ("heartbeat", {"HeartbeatSeconds": 1, "TimeoutSeconds": 60}, {}, "Silent"),
        ("heartbeat-path", {"HeartbeatSecondsPath": "$.limit"}, {"limit": 1}, "Silent"),
        ("timeout", {"TimeoutSeconds": 1}, {}, "Late"),
        ("timeout-path", {"TimeoutSecondsPath": "$.limit"}, {"limit": 1}, "Late"),
    ],
)
def test_a_silent_wait_ends_at_its_limit(
    corrected: StandIn, name: str, limits: dict[str, Any], more: dict[str, Any], end: str
) -> None:
    execution = _start(corrected, _machine(corrected, name, **limits), **more)
    finished = corrected.finished(execution)
    assert (finished["status"], json.loads(finished["output"])) == ("SUCCEEDED", end)


@pytest.mark.parametrize(
    ("name", "limits", "more"),
    [
        ("heartbeat", {"HeartbeatSeconds": 1, "TimeoutSeconds": 4}, {}),
        ("heartbeat-path", {"HeartbeatSecondsPath": "$.limit", "TimeoutSeconds": 4}, {"limit": 1}),
    ],
)
def test_stock_waits_ignore_heartbeats(
    stock: StandIn, name: str, limits: dict[str, Any], more: dict[str, Any]
) -> None:
    finished = stock.finished(_start(stock, _machine(stock, name, **limits), **more))
    assert json.loads(finished["output"]) == "Late"


def test_stock_waits_ignore_a_timeout_given_by_path(stock: StandIn) -> None:
    execution = _start(stock, _machine(stock, "timeout-path", TimeoutSecondsPath="$.limit"), limit=1)
    sfn = stock.client("stepfunctions")
    with pytest.raises(AssertionError, match="the execution ended"):
        stock.finished(execution, timeout_seconds=3)
    sfn.stop_execution(executionArn=execution)


def test_heartbeats_keep_a_wait_alive_and_success_ends_it(corrected: StandIn) -> None:
    execution = _start(corrected, _machine(corrected, "alive", HeartbeatSeconds=2))
    token = _token(corrected, "alive")
    sfn = corrected.client("stepfunctions")
    beats = 0

    def beat() -> bool:
        nonlocal beats
        sfn.send_task_heartbeat(taskToken=token)
        beats += 1
        # 0.05 s apart: together well past the two seconds that a silent wait may last.
        return beats >= 70

    wait_until(beat, "seventy heartbeats")
    sfn.send_task_success(taskToken=token, output='{"done": true}')
    assert json.loads(corrected.finished(execution)["output"]) == {"done": True}


def _jsonata(limit: str, value: str) -> dict[str, Any]:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {
            "FunctionName": "token-keeper",
            "Payload": {"token": "{% $states.context.Task.Token %}", "name": "jsonata"},
        },
        limit: value,
        "Catch": [
            {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}
        ],
        "End": True,
    }
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Wait",
        "States": {"Wait": task, "Caught": {"Type": "Pass", "End": True}},
    }


@pytest.mark.parametrize(
    ("limit", "value", "error"),
    [
        ("TimeoutSeconds", "{% $states.input.limit %}", "States.Timeout"),
        ("HeartbeatSeconds", "{% $states.input.limit %}", "States.HeartbeatTimeout"),
        ("TimeoutSeconds", "{% 'soon' %}", "States.QueryEvaluationError"),
    ],
)
def test_a_limit_may_be_a_jsonata_expression(corrected: StandIn, limit: str, value: str, error: str) -> None:
    _machine(corrected, f"keeper-for-{limit}-{error.replace('.', '-')}")
    machine = corrected.machine(f"jsonata-{limit}-{error.replace('.', '-')}", _jsonata(limit, value))
    finished = corrected.finished(_start(corrected, machine, limit=1))
    assert (finished["status"], json.loads(finished["output"])) == ("SUCCEEDED", error)


def test_stock_fails_on_a_jsonata_limit(stock: StandIn) -> None:
    _machine(stock, "keeper-for-jsonata")
    machine = stock.machine("jsonata", _jsonata("TimeoutSeconds", "{% $states.input.limit %}"))
    assert stock.finished(_start(stock, machine, limit=1))["status"] == "FAILED"


def test_a_failed_dispatch_fails_the_task(corrected: StandIn) -> None:
    execution = _start(corrected, _machine(corrected, "dispatch", TimeoutSeconds=60), fail=True)
    assert json.loads(corrected.finished(execution)["output"]) == "NotPassedOn"


def test_stock_swallows_a_failed_dispatch(stock: StandIn) -> None:
    execution = _start(stock, _machine(stock, "dispatch", TimeoutSeconds=2), fail=True)
    assert json.loads(stock.finished(execution)["output"]) == "Late"


BOTH_CALLBACKS = """
import importlib, json, threading
sfn = importlib.import_module("ministack.services.stepfunctions")
if {corrected}:
    importlib.import_module("ministack_launcher.spent_tokens").apply(sfn)
sfn._task_tokens["t"] = {{"event": threading.Event(), "result": None, "error": None, "heartbeat": None}}
first = sfn._send_task_failure({{"taskToken": "t", "error": "Stopped"}})
second = sfn._send_task_success({{"taskToken": "t", "output": "{{}}"}})
beat = sfn._send_task_heartbeat({{"taskToken": "t"}})
print(json.dumps([first[0], second[0], json.loads(second[2]).get("__type"), beat[0]]))
"""


def test_a_token_is_spent_by_its_first_callback(tmp_path: Path) -> None:
    assert inside(BOTH_CALLBACKS.format(corrected=True), tmp_path) == [200, 400, "TaskTimedOut", 400]


def test_stock_takes_a_second_callback(tmp_path: Path) -> None:
    assert inside(BOTH_CALLBACKS.format(corrected=False), tmp_path)[:2] == [200, 200]


def _twice(server: StandIn, second_input: str) -> tuple[str, str]:
    machine = server.machine(
        f"twice-{len(second_input)}",
        {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 20, "End": True}}},
    )
    sfn = server.client("stepfunctions")
    first = sfn.start_execution(stateMachineArn=machine, name="job-1-r1", input='{"run": 1}')
    second = sfn.start_execution(stateMachineArn=machine, name="job-1-r1", input=second_input)
    return first["executionArn"], second["executionArn"]


def test_a_repeated_start_answers_with_the_running_execution(corrected: StandIn) -> None:
    first, second = _twice(corrected, '{ "run": 1 }')
    assert first == second


def test_a_start_with_a_used_name_and_other_input_is_refused(corrected: StandIn) -> None:
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        _twice(corrected, '{"run": 12345}')


def test_stock_refuses_a_repeated_start(stock: StandIn) -> None:
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        _twice(stock, '{ "run": 1 }')
