"""Correction: StartExecution repeated with the same name and input while running answers with the same
execution.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html ("StartExecution is
idempotent for STANDARD workflows"). Stock ministack refuses the repetition.
"""

from __future__ import annotations

import json
from typing import Any

from ministack_launcher.patching import require

PATCH = "repeated start"
EXPECTED = {
    "_start_execution": "9923282fc76c57b9",
    "_resolve_state_machine_arn": "e054a309ee54fa0f",
    "_timestamp_response_value": "9e103b1611a46fe9",
}


def _same_input(one: str | None, other: str | None) -> bool:
    try:
        return bool(json.loads(one or "{}") == json.loads(other or "{}"))
    except ValueError:
        return one == other


def apply(sfn: Any) -> None:
    """Correct `ministack.services.stepfunctions`."""
    require(PATCH, sfn, EXPECTED)
    stock = sfn._start_execution

    def start_execution(data: dict[str, Any]) -> Any:
        machine_arn = sfn._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        name = data.get("name")
        for execution in list(sfn._executions.values()) if name and machine_arn else []:
            if (
                execution["name"] == name
                and execution["stateMachineArn"] == machine_arn
                and execution["status"] == "RUNNING"
                and _same_input(execution.get("input"), data.get("input"))
            ):
                return sfn.json_response(
                    {"executionArn": execution["executionArn"], "startDate": execution["startDate"]}
                )
        return stock(data)

    sfn._start_execution = start_execution
