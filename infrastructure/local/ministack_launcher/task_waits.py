"""Correction: a task that waits for a token keeps its heartbeat, its timeout and the fate of its dispatch.

Per the Amazon States Language (https://states-language.net, "Timeouts and Heartbeats"). Stock ministack
ignores HeartbeatSeconds, HeartbeatSecondsPath and TimeoutSecondsPath, fails on JSONata in TimeoutSeconds,
and waits for ever when the function that should have passed on the token fails.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ministack_launcher.patching import require, rewrite

PATCH = "task waits"
EXPECTED = {
    "_execute_task": "53c818d247dba62c",
    "_send_task_heartbeat": "56879a4655d159a2",
    "_jsonata_state_field": "9bf62b72170e2ea4",
    "_find_matching_catcher": "7fcca16317a49a2b",
    "_apply_catcher": "ca17bcad86a82fc5",
    "_resolve_path_or_ctx": "39841ce14aefd1c1",
}
LIMIT_FIELDS = ("TimeoutSeconds", "HeartbeatSeconds")
WAIT_TICK_SECONDS = 0.1

STOCK_DISPATCH = """        try:
            _call_lambda(func_ref, lambda_payload)
        except _ExecutionError:
            pass
"""
DISPATCH = """        try:
            _call_lambda(func_ref, lambda_payload)
        except _ExecutionError:
            if not evt.is_set():
                _task_tokens.pop(token, None)
                raise
"""
STOCK_WAIT = """    timeout = state_def.get("TimeoutSeconds", 99999)
    if not evt.wait(timeout=timeout):
        _task_tokens.pop(token, None)
        raise _ExecutionError("States.Timeout",
                              "Task timed out waiting for callback")
"""
WAIT = """    _wait_for_callback(token, evt, state_def, _started_at)
"""
STOCK_START = """    evt = threading.Event()
"""
START = """    _started_at = time.monotonic()
    evt = threading.Event()
"""


def _limit(state: dict[str, Any], field: str) -> float | None:
    return float(state[field]) if field in state else None


def _exceeded(now: float, since: float, limit_seconds: float | None) -> bool:
    return limit_seconds is not None and now - since > limit_seconds


def _waiter(sfn: Any) -> Any:
    def wait_for_callback(
        token: str, done: threading.Event, state: dict[str, Any], started_at: float
    ) -> None:
        """Block until the token is spent; raise States.Timeout or States.HeartbeatTimeout."""
        timeout_seconds = _limit(state, "TimeoutSeconds")
        heartbeat_seconds = _limit(state, "HeartbeatSeconds")
        while not done.wait(WAIT_TICK_SECONDS):
            now = time.monotonic()
            beat_at = sfn._task_tokens.get(token, {}).get("beat_at", started_at)
            if _exceeded(now, beat_at, heartbeat_seconds):
                sfn._task_tokens.pop(token, None)
                raise sfn._ExecutionError(
                    "States.HeartbeatTimeout", f"No heartbeat in {heartbeat_seconds:g} s"
                )
            if _exceeded(now, started_at, timeout_seconds):
                sfn._task_tokens.pop(token, None)
                raise sfn._ExecutionError("States.Timeout", f"No callback in {timeout_seconds:g} s")

    return wait_for_callback


def _limits(sfn: Any, state: dict[str, Any], raw_input: Any, ctx: dict[str, Any]) -> dict[str, float]:
    """The limits of a Task as numbers, whichever way they were written."""
    found: dict[str, float] = {}
    jsonata = sfn._state_query_language(state, ctx) == "JSONata"
    for field in LIMIT_FIELDS:
        if jsonata and isinstance(state.get(field), str):
            found[field] = sfn._jsonata_state_field(state, field, "number", raw_input, ctx)
        elif f"{field}Path" in state:
            path = state[f"{field}Path"]
            value = sfn._resolve_path_or_ctx(path, raw_input, ctx)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise sfn._ExecutionError(
                    "States.Runtime", f"{field}Path '{path}' must lead to a positive number, not {value!r}"
                )
            found[field] = value
    return found


def apply(sfn: Any) -> None:
    """Correct `ministack.services.stepfunctions`."""
    require(PATCH, sfn, EXPECTED)
    rewrite(
        PATCH,
        sfn,
        "_invoke_with_callback",
        [(STOCK_START, START), (STOCK_DISPATCH, DISPATCH), (STOCK_WAIT, WAIT)],
    )
    sfn._wait_for_callback = _waiter(sfn)
    execute_stock, beat_stock = sfn._execute_task, sfn._send_task_heartbeat

    def execute_task(state: dict[str, Any], raw_input: Any, execution: Any, ctx: dict[str, Any]) -> Any:
        try:
            limits = _limits(sfn, state, raw_input, ctx)
        except sfn._ExecutionError as error:
            catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
            if not catcher:
                raise
            language = sfn._state_query_language(state, ctx)
            output = {"Error": error.error, "Cause": error.cause}
            return sfn._apply_catcher(catcher, raw_input, ctx, language, output), catcher["Next"]
        return execute_stock({**state, **limits}, raw_input, execution, ctx)

    def send_task_heartbeat(data: dict[str, Any]) -> Any:
        waiting = sfn._task_tokens.get(data.get("taskToken"))
        if waiting is not None:
            waiting["beat_at"] = time.monotonic()
        return beat_stock(data)

    sfn._execute_task = execute_task
    sfn._send_task_heartbeat = send_task_heartbeat
