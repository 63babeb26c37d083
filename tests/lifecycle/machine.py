"""Runs the real state machine over fakes: its states, retries, catches and token waits, driven by a fake clock.

Follows the Amazon States Language in its JSONata form, as far as step_functions/training_job.asl.json uses it. Nothing
sleeps: a retry or a timeout is a moment on the clock, and `Machine.advance` goes from one such moment to the next.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import AppError

from tests.fakes import FakeClock
from tests.lifecycle.execution import Execution, Wait
from tests.lifecycle.expressions import evaluated

FILE = Path(__file__).resolve().parents[2] / "step_functions" / "training_job.asl.json"
_MOST_STATES = 5_000
Lambda = Callable[[dict[str, Any]], Any]


class LambdaDied(Exception):
    """The process was killed; Step Functions calls this `Lambda.Unknown`."""


@cache
def definition() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


@dataclass
class Machine:
    """Of the port `Workflow` towards the use cases, and the service behind it towards the test.

    lambdas: what `${Name}` invokes. lose_starts: that many of the next starts never happen, though nothing says so.
    """

    clock: FakeClock
    lambdas: dict[str, Lambda] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    lose_starts: int = 0
    _ready: deque[Execution] = field(default_factory=deque)
    _tokens: dict[str, Execution] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _busy: set[str] = field(default_factory=set)

    # --- the port ---------------------------------------------------------------------------------------

    def start(self, job_id: str, run: int, timings: Mapping[str, Any]) -> None:
        name = f"{job_id}-r{run}"
        if self.lose_starts > 0:
            self.lose_starts -= 1
            return
        if name not in self.executions:
            given = {"job_id": job_id, "run": run, "timings": dict(timings)}
            execution = Execution(name, given, definition()["StartAt"])
            self.executions[name] = execution
            self._ready.append(execution)

    def end_wait(self, token: str, output: Mapping[str, Any]) -> bool:
        return self._end(token, "success", dict(output))

    def fail_wait(self, token: str, error: str, cause: str) -> bool:
        return self._end(token, error, cause)

    def heartbeat(self, token: str) -> bool:
        wait = self._open(token)
        if wait is None:
            return False
        if wait.heartbeat_seconds is not None:
            wait.silent_at = self.clock.now + timedelta(seconds=wait.heartbeat_seconds)
        return True

    def is_running(self, job_id: str, run: int) -> bool:
        execution = self.executions.get(f"{job_id}-r{run}")
        return execution is not None and execution.status == "RUNNING"

    # --- the service ------------------------------------------------------------------------------------

    def kill(self, job_id: str, run: int) -> None:
        """The execution is gone without a last word."""
        execution = self.executions[f"{job_id}-r{run}"]
        execution.status, execution.wait, execution.retry_at = "ABORTED", None, None

    def work(self) -> None:
        """Everything that can happen at this moment of the clock. Called from within a step, it moves the other
        executions; that step's own one goes on when the step has answered."""
        inside_a_step: list[Execution] = []
        while self._ready:
            execution = self._ready.popleft()
            if execution.name in self._busy:
                inside_a_step.append(execution)
                continue
            self._busy.add(execution.name)
            try:
                while execution.status == "RUNNING" and self._step(execution):
                    if len(execution.trail) > _MOST_STATES:
                        raise AssertionError(f"{execution.name} runs in circles: {execution.trail[-30:]}")
            finally:
                self._busy.discard(execution.name)
        self._ready.extend(inside_a_step)

    def advance(self, seconds: float) -> None:
        """Lets time pass, stopping at every timeout, silence and retry on the way."""
        until = self.clock.now + timedelta(seconds=seconds)
        self.work()
        while (execution := self._next_due(until)) is not None:
            due = execution.due_at()
            assert due is not None
            self.clock.now = max(self.clock.now, due)
            if execution.wait is not None:
                timed_out = self.clock.now >= execution.wait.times_out_at
                name = "States.Timeout" if timed_out else "States.HeartbeatTimeout"
                execution.wait.ended = execution.wait.ended or (name, "")
            self._ready.append(execution)
            self.work()
        self.clock.now = max(self.clock.now, until)

    def _next_due(self, until: datetime) -> Execution | None:
        due = [
            (at, each.name, each)
            for each in self.executions.values()
            if (at := each.due_at()) and at <= until
        ]
        return min(due, key=lambda entry: entry[:2])[2] if due else None

    def _open(self, token: str) -> Wait | None:
        execution = self._tokens.get(token)
        wait = execution.wait if execution and execution.status == "RUNNING" else None
        return wait if wait is not None and wait.token == token and wait.ended is None else None

    def _end(self, token: str, name: str, value: Any) -> bool:
        wait = self._open(token)
        if wait is None:
            return False
        wait.ended = (name, value)
        self._ready.append(self._tokens[token])
        return True

    # --- one execution ----------------------------------------------------------------------------------

    def _step(self, execution: Execution) -> bool:
        """False when the execution waits for something."""
        state = definition()["States"][execution.state]
        if execution.wait is None and execution.retry_at is None:
            execution.trail.append(execution.state)
        match state["Type"]:
            case "Task":
                return self._task(execution, state)
            case "Pass":
                self._leave(execution, state, {})
            case "Choice":
                self._go(execution, self._chosen(execution, state))
            case "Succeed":
                execution.status = "SUCCEEDED"
            case "Fail":
                execution.status = "FAILED"
                execution.error = self._value(execution, state["Error"], {})
        return True

    def _chosen(self, execution: Execution, state: Mapping[str, Any]) -> str:
        for choice in state["Choices"]:
            holds = self._value(execution, choice["Condition"], {})
            assert isinstance(holds, bool), (choice, holds)
            if holds:
                return str(choice["Next"])
        return str(state["Default"])

    def _task(self, execution: Execution, state: Mapping[str, Any]) -> bool:
        if execution.wait is not None:
            return self._look_at_wait(execution, state)
        if execution.retry_at is not None:
            if self.clock.now < execution.retry_at:
                return False
            execution.retry_at = None
        by_token = state["Resource"].endswith(".waitForTaskToken")
        if by_token:
            self._hand_out_token(execution, state)
        context: dict[str, Any] = {"token": execution.wait.token} if execution.wait else {}
        arguments = self._value(execution, state["Arguments"], context)
        function = arguments["FunctionName"].removeprefix("${").removesuffix("}")
        payload = json.loads(json.dumps(arguments["Payload"]))
        try:
            result = json.loads(json.dumps(self.lambdas[function](payload)))
        except (LambdaDied, AppError) as error:
            if _is_over(execution.wait):
                # Whoever speaks first ends the task: a step that dies after its token was used changes nothing.
                return self._look_at_wait(execution, state)
            if isinstance(error, AppError):
                return self._failed(execution, state, type(error).__name__, _as_cause(error))
            return self._failed(execution, state, "Runtime.ExitError", str(error))
        if by_token:
            return self._look_at_wait(execution, state)
        self._leave(execution, state, {"result": {"Payload": result}})
        return True

    def _hand_out_token(self, execution: Execution, state: Mapping[str, Any]) -> None:
        token = f"token-{next(self._numbers)}"
        now = self.clock.now
        beat = self._value(execution, state.get("HeartbeatSeconds"), {})
        limit = self._value(execution, state["TimeoutSeconds"], {})
        silent_at = None if beat is None else now + timedelta(seconds=beat)
        execution.wait = Wait(token, now + timedelta(seconds=limit), beat, silent_at)
        self._tokens[token] = execution

    def _look_at_wait(self, execution: Execution, state: Mapping[str, Any]) -> bool:
        wait = execution.wait
        if wait is None or wait.ended is None:
            return False
        name, value = wait.ended
        if name != "success":
            return self._failed(execution, state, name, value)
        execution.wait = None
        self._leave(execution, state, {"result": value})
        return True

    def _failed(self, execution: Execution, state: Mapping[str, Any], error: str, cause: str) -> bool:
        execution.wait = None
        for index, retry in enumerate(state.get("Retry", [])):
            if _matches(error, retry["ErrorEquals"]):
                done = execution.tries.get(index, 0)
                if done >= retry.get("MaxAttempts", 3):
                    break
                execution.tries[index] = done + 1
                delay = retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2.0) ** done
                longest = retry.get("MaxDelaySeconds", delay)
                execution.retry_at = self.clock.now + timedelta(seconds=min(delay, longest))
                return False
        output = {"errorOutput": {"Error": error, "Cause": cause}}
        for catch in state.get("Catch", []):
            if _matches(error, catch["ErrorEquals"]):
                self._leave(execution, catch, output)
                return True
        execution.status, execution.error = "FAILED", error
        return True

    def _leave(self, execution: Execution, way: Mapping[str, Any], states: Mapping[str, Any]) -> None:
        # All right-hand sides see the values from before, as in the language.
        assigned = {
            name: self._value(execution, given, states) for name, given in way.get("Assign", {}).items()
        }
        execution.variables.update(assigned)
        self._go(execution, way["Next"])

    def _go(self, execution: Execution, state: str) -> None:
        execution.state, execution.tries, execution.retry_at = state, {}, None

    def _value(self, execution: Execution, template: Any, states: Mapping[str, Any]) -> Any:
        """The template with every `{% expression %}` in it evaluated. An expression without a value is a mistake."""
        if isinstance(template, Mapping):
            return {key: self._value(execution, part, states) for key, part in template.items()}
        if not (isinstance(template, str) and template.startswith("{%")):
            return deepcopy(template)
        expression = template.removeprefix("{%").removesuffix("%}").strip()
        bindings = {**execution.variables, "states": self._states(execution, states)}
        value = evaluated(expression, bindings)
        if value is None:
            raise AssertionError(f"{execution.name} in {execution.state}: {template} has no value")
        return value

    def _states(self, execution: Execution, states: Mapping[str, Any]) -> dict[str, Any]:
        context = {
            "Execution": {"Name": execution.name, "Input": execution.input},
            "State": {"Name": execution.state},
            "Task": {"Token": states.get("token", "")},
        }
        return {"context": context, **states}


def _as_cause(error: AppError) -> str:
    """A function's error as the service hands it on: all of it, as JSON."""
    name = type(error).__name__
    trace = ["Traceback (most recent call last):", f"{name}: {error.message}"]
    return json.dumps({"errorMessage": error.message, "errorType": name, "stackTrace": trace})


def _is_over(wait: Wait | None) -> bool:
    return wait is not None and wait.ended is not None


def _matches(error: str, wanted: list[str]) -> bool:
    """`States.Timeout` also stands for a missing heartbeat."""
    both = {"States.HeartbeatTimeout": {"States.HeartbeatTimeout", "States.Timeout"}}
    return "States.ALL" in wanted or not both.get(error, {error}).isdisjoint(wanted)
