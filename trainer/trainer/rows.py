"""Turns lines of a training file into conversations; chat, ShareGPT and Alpaca rows become the same thing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import BadDatasetError
from trainer.tool_calls import ToolsRefusedError, answered_call, calls_of, tools_of

# {"role", "content"}, and where they have them "tool_calls" (the assistant's) or "tool_call_id" (a tool's).
Message = dict[str, Any]
Tool = dict[str, Any]

SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "system": "system",
    "tool": "tool",
}
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Conversation:
    """One conversation and the line of the file it came from, counted from 1."""

    line: int
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()

    @property
    def pairs(self) -> int:
        """Training pairs: one per assistant turn."""
        return sum(message["role"] == "assistant" for message in self.messages)

    @property
    def content_key(self) -> str:
        """The same text for conversations with the same content, wherever they stand in the file."""
        whole = (self.messages, self.tools) if self.tools else self.messages
        return json.dumps(whole, sort_keys=True, ensure_ascii=False)


def read_rows(path: Path, row_format: str) -> list[Conversation]:
    """Read a JSONL file. Raises BadDatasetError naming the line of the first row that cannot be used."""
    conversations: list[Conversation] = []
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    conversations.append(_conversation(line, number, row_format))
        except UnicodeDecodeError as error:
            raise BadDatasetError(
                "The training file is not UTF-8 text. Save it as UTF-8 and upload it again."
            ) from error
    if not conversations:
        raise BadDatasetError(
            "The training file has no rows. Upload a JSONL file with one conversation per line."
        )
    return conversations


def _conversation(line: str, number: int, row_format: str) -> Conversation:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _wrong(number, f"is not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise _wrong(number, "is not a JSON object")
    convert = {"chat": _from_chat, "sharegpt": _from_sharegpt, "alpaca": _from_alpaca}[row_format]
    try:
        messages = tuple(convert(row, number))
        tools = tools_of(row) if row_format == "chat" else ()
    except ToolsRefusedError as error:
        raise _wrong(number, f"cannot be trained: {error}") from error
    for position, message in enumerate(messages):
        if message["role"] == "system" and position > 0:
            raise _wrong(number, "has a system message that is not the first message")
    return Conversation(number, messages, tools)


def _from_chat(row: dict[str, Any], number: int) -> list[Message]:
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise _wrong(number, 'has no "messages" list')
    return [_chat_turn(turn, f"messages[{at}]", number) for at, turn in enumerate(turns)]


def _chat_turn(turn: Any, field: str, number: int) -> Message:
    calls = calls_of(turn, field) if isinstance(turn, dict) else []
    if calls and turn.get("content") is None:
        turn = {**turn, "content": ""}
    message = _turn(turn, "role", "content", {role: role for role in ROLES}, number)
    if calls:
        message["tool_calls"] = calls
    answered = answered_call(turn, field) if message["role"] == "tool" else None
    return message if answered is None else {**message, "tool_call_id": answered}


def _from_sharegpt(row: dict[str, Any], number: int) -> list[Message]:
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise _wrong(number, 'has no "conversations" list')
    messages = [_turn(turn, "from", "value", SHAREGPT_ROLES, number) for turn in turns]
    system = row.get("system")
    return (
        [{"role": "system", "content": system}, *messages] if isinstance(system, str) and system else messages
    )


def _from_alpaca(row: dict[str, Any], number: int) -> list[Message]:
    instruction, answer = row.get("instruction"), row.get("output")
    if not isinstance(instruction, str) or not instruction or not isinstance(answer, str):
        raise _wrong(number, 'needs an "instruction" and an "output" text')
    extra = row.get("input")
    question = f"{instruction}\n\n{extra}" if isinstance(extra, str) and extra else instruction
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    system = row.get("system")
    return (
        [{"role": "system", "content": system}, *messages] if isinstance(system, str) and system else messages
    )


def _turn(turn: Any, role_key: str, text_key: str, roles: dict[str, str], number: int) -> Message:
    if not isinstance(turn, dict):
        raise _wrong(number, "has a message that is not an object")
    role, content = turn.get(role_key), turn.get(text_key)
    if role not in roles:
        raise _wrong(number, f'has a message with the unknown "{role_key}" {role!r}')
    if not isinstance(content, str):
        raise _wrong(number, f'has a message whose "{text_key}" is not text')
    return {"role": roles[role], "content": content}


def _wrong(number: int, what: str) -> BadDatasetError:
    return BadDatasetError(
        f"Line {number} of the training file {what}. Correct the file and upload it again.", line=number
    )
