"""Reads OpenAI-style tools and calls from a row, in the one form that chat templates take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ToolsRefusedError(Exception):
    """A place in the row and what is wrong there."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")


def tools_of(row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The functions a chat row offers the assistant under "tools"; none when absent, null or empty."""
    tools = row.get("tools")
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise ToolsRefusedError("tools", "is not a list")
    return tuple(_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools))


def calls_of(turn: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """The calls of one turn, arguments as objects: templates write them as JSON themselves."""
    if turn.get("function_call") is not None:
        raise ToolsRefusedError(f"{field}.function_call", 'is the older form; write it as "tool_calls"')
    calls = turn.get("tool_calls")
    if calls is None or calls == []:
        return []
    if turn.get("role") != "assistant":
        raise ToolsRefusedError(f"{field}.tool_calls", "stands in a turn that is not the assistant's")
    if not isinstance(calls, list):
        raise ToolsRefusedError(f"{field}.tool_calls", "is not a list")
    return [_call(call, f"{field}.tool_calls[{at}]") for at, call in enumerate(calls)]


def answered_call(turn: Mapping[str, Any], field: str) -> str | None:
    """The id of the call that a tool turn answers."""
    call_id = turn.get("tool_call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise ToolsRefusedError(f"{field}.tool_call_id", "is not text")
    return call_id


def _tool(tool: Any, field: str) -> dict[str, Any]:
    return {**tool, "type": "function"} if _function(tool, field) else {}


def _call(call: Any, field: str) -> dict[str, Any]:
    function = _function(call, field)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            raise ToolsRefusedError(f"{field}.function.arguments", "is not valid JSON") from error
    if not isinstance(arguments, dict):
        raise ToolsRefusedError(f"{field}.function.arguments", "is not a JSON object")
    call_id = call.get("id")
    named = {"id": call_id} if isinstance(call_id, str) else {}
    return {**named, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _function(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.get("type", "function") != "function":
        raise ToolsRefusedError(field, 'is not an object of the type "function"')
    function = value.get("function")
    if not isinstance(function, dict):
        raise ToolsRefusedError(f"{field}.function", "is not an object")
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise ToolsRefusedError(f"{field}.function.name", "is not a name")
    return function
