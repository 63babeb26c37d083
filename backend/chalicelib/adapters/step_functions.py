"""The state machine behind the Workflow port."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import ServiceUnavailable

# "That wait is over": the next AwaitStage rereads the row.
_OVER = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})


class StepFunctions:
    def __init__(self, state_machine_arn: str, client: Any = None) -> None:
        self._arn = state_machine_arn
        self._client: Any = client or boto3.client(
            "stepfunctions", config=Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 4})
        )

    def start(self, job_id: str, run: int, timings: Mapping[str, Any]) -> None:
        """Starting again with the same name is no error: AWS keeps a name for 90 days."""
        body = json.dumps({"job_id": job_id, "run": run, "timings": dict(timings)}, sort_keys=True)
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=_name(job_id, run), input=body)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def end_wait(self, token: str, output: Mapping[str, Any]) -> bool:
        return self._on_token(
            lambda: self._client.send_task_success(taskToken=token, output=json.dumps(dict(output)))
        )

    def fail_wait(self, token: str, error: str, cause: str) -> bool:
        return self._on_token(
            lambda: self._client.send_task_failure(taskToken=token, error=error, cause=cause[:30_000])
        )

    def heartbeat(self, token: str) -> bool:
        return self._on_token(lambda: self._client.send_task_heartbeat(taskToken=token))

    def is_running(self, job_id: str, run: int) -> bool:
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{_name(job_id, run)}"
        try:
            reply = self._client.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return False
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return str(reply["status"]) == "RUNNING"

    def _on_token(self, call: Callable[[], Any]) -> bool:
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] in _OVER:
                return False
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return True


def _name(job_id: str, run: int) -> str:
    return f"{job_id}-r{run}"


def _unavailable(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f"The state machine did not answer ({type(error).__name__}). Try again.")
