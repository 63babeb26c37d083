"""Tools and calls of a chat row, in the form OpenAI's interface gives them. The trainer reads them by the same
rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.dataset_json import RowError

_CALL_HINT = 'Write {"type": "function", "function": {"name": ..., "arguments": {...}}}.'
_TOOL_HINT = 'Write {"type": "function", "function": {"name": ..., "parameters": {...}}}.'


def tools_of(row: Mapping[str, Any]) -> str:
    """The functions offered under "tools" as JSON; empty when absent, null or an empty list."""
    tools = row.get("tools")
    if tools is None or tools == []:
        return ""
    if not isinstance(tools, list):
        raise RowError("tools", '"tools" must be a list.', _TOOL_HINT)
    read = [
        {**tool, "type": "function"}
        for at, tool in enumerate(tools)
        if _function(tool, f"tools[{at}]", _TOOL_HINT)
    ]
    return _as_json(read, "tools")


def calls_of(turn: Mapping[str, Any], field: str) -> str:
    """The calls of one turn as a JSON list, with arguments as objects; empty without any."""
    if turn.get("function_call") is not None:
        raise RowError(
            f"{field}.function_call", "A function_call is the older form of a tool call.", 'Use "tool_calls".'
        )
    calls = turn.get("tool_calls")
    if calls is None or calls == []:
        return ""
    where = f"{field}.tool_calls"
    if turn.get("role") != "assistant":
        raise RowError(where, "Only the assistant calls tools.", "Move the call to an assistant turn.")
    if not isinstance(calls, list):
        raise RowError(where, '"tool_calls" must be a list.', _CALL_HINT)
    return _as_json([_call(call, f"{where}[{at}]") for at, call in enumerate(calls)], where)


def answered_call(turn: Mapping[str, Any], field: str) -> str | None:
    """The id of the call that a tool turn answers; None when it names none."""
    call_id = turn.get("tool_call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise RowError(
            f"{field}.tool_call_id", '"tool_call_id" is not text.', "Write the id of the call it answers."
        )
    return call_id


def _call(call: Any, field: str) -> dict[str, Any]:
    function = _function(call, field, _CALL_HINT)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            raise RowError(
                f"{field}.function.arguments", "The arguments are not valid JSON.", _CALL_HINT
            ) from error
    if not isinstance(arguments, dict):
        raise RowError(f"{field}.function.arguments", "The arguments are not a JSON object.", _CALL_HINT)
    call_id = call.get("id")
    named = {"id": call_id} if isinstance(call_id, str) else {}
    return {**named, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _function(value: Any, field: str, hint: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.get("type", "function") != "function":
        raise RowError(field, 'It is not an object of the type "function".', hint)
    function = value.get("function")
    if not isinstance(function, dict):
        raise RowError(f"{field}.function", "The function is not an object.", hint)
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise RowError(f"{field}.function.name", "The function has no name.", hint)
    return function


def _as_json(value: list[dict[str, Any]], field: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            field,
            "The text holds half a symbol (a lone surrogate).",
            "Remove the broken \\ud… escape or export the file again.",
        ) from error
    return text
