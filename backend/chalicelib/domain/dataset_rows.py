"""One line of a training file -> one conversation. ShareGPT and Alpaca rows become chat messages.

The trainer reads the same files with the same conversions: contracts/examples/dataset_rows.json holds both to
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from chalicelib.domain.dataset import DatasetFormat
from chalicelib.domain.dataset_json import RowError, shown
from chalicelib.domain.dataset_tools import answered_call, calls_of, tools_of

ROLES = ("system", "user", "assistant", "tool")
SHAREGPT_ROLES: Mapping[str, str] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
}
FORMAT_KEYS: Mapping[DatasetFormat, str] = {
    DatasetFormat.CHAT: "messages",
    DatasetFormat.SHAREGPT: "conversations",
    DatasetFormat.ALPACA: "instruction",
}


class Message(NamedTuple):
    """calls: the assistant's tool calls as a JSON list, empty without any; call_id: the one a tool turn answers."""

    role: str
    content: str
    calls: str = ""
    call_id: str | None = None

    @property
    def text(self) -> str:
        """All that a model reads of the turn, to be counted, compared and shown."""
        return "\n".join(part for part in (self.content, self.calls) if part)


def format_of(row: Mapping[str, Any], expected: DatasetFormat | None = None) -> DatasetFormat:
    """The format of a row; RowError when it is none, or another one than the file began with."""
    if expected is not None and FORMAT_KEYS[expected] in row:
        return expected
    found = next((kind for kind, key in FORMAT_KEYS.items() if key in row), None)
    if found is None:
        raise RowError(None, _no_format(row, expected), _NO_FORMAT_HINT)
    if expected is not None:
        raise RowError(
            FORMAT_KEYS[found],
            f"The row is in {found.value} format, but the file began in {expected.value} format.",
            "Use one format in a file, or split it into two datasets.",
        )
    return found


_NO_FORMAT_HINT = (
    'Use {"messages": [{"role", "content"}]}, {"conversations": [{"from", "value"}]} or '
    '{"instruction", "output"}.'
)


def _no_format(row: Mapping[str, Any], expected: DatasetFormat | None) -> str:
    if expected is not None:
        return f'The row has no "{FORMAT_KEYS[expected]}".'
    names = ", ".join(shown(key) for key in list(row)[:4]) or "none"
    return f"The row is in no known format; its keys are {names}."


def messages_of(row: Mapping[str, Any], row_format: DatasetFormat) -> list[Message]:
    """The conversation of a row as chat messages. RowError for the first thing that is wrong."""
    if row_format is DatasetFormat.ALPACA:
        messages = list(_alpaca(row))
        names = ["instruction", "output"]
        fields = (["system", *names] if len(messages) > len(names) else names) if messages else []
    else:
        key, role_key, text_key, roles = _SHAPES[row_format]
        turns = row[key]
        if not isinstance(turns, list) or not turns:
            raise RowError(
                key, f'"{key}" must be a list of turns with at least one.', "Remove or fill the row."
            )
        read = _chat_turn if row_format is DatasetFormat.CHAT else _turn
        messages = [
            read(turn, f"{key}[{position}]", role_key, text_key, roles) for position, turn in enumerate(turns)
        ]
        fields = [f"{key}[{position}]" for position in range(len(turns))]
        if row_format is DatasetFormat.SHAREGPT and (system := _system(row)):
            messages, fields = [system, *messages], ["system", *fields]
    for position, problem, hint in _order_problems(messages):
        raise RowError(fields[position], problem, hint)
    return messages


def tools_text(row: Mapping[str, Any], row_format: DatasetFormat) -> str:
    """The functions offered to the assistant, as JSON; empty without any. RowError for what cannot be read."""
    return tools_of(row) if row_format is DatasetFormat.CHAT else ""


_SHAPES: Mapping[DatasetFormat, tuple[str, str, str, Mapping[str, str]]] = {
    DatasetFormat.CHAT: ("messages", "role", "content", {role: role for role in ROLES}),
    DatasetFormat.SHAREGPT: ("conversations", "from", "value", SHAREGPT_ROLES),
}


def _turn(turn: Any, field: str, role_key: str, text_key: str, roles: Mapping[str, str]) -> Message:
    if not isinstance(turn, dict):
        raise RowError(
            field, "The turn is not an object.", f'Write {{"{role_key}": ..., "{text_key}": ...}}.'
        )
    role = turn.get(role_key)
    if not isinstance(role, str) or role not in roles:
        what = "is missing" if role_key not in turn else f"{shown(role)} is not known"
        raise RowError(f"{field}.{role_key}", f"Role {what}.", f"Use {_listed(list(roles))}.")
    return Message(roles[role], _text(turn, text_key, f"{field}.{text_key}", roles[role]))


def _chat_turn(turn: Any, field: str, role_key: str, text_key: str, roles: Mapping[str, str]) -> Message:
    calls = calls_of(turn, field) if isinstance(turn, dict) else ""
    if calls and not turn.get(text_key):
        # What a call needs no words for is often written as null.
        return Message("assistant", "", calls)
    message = _turn(turn, field, role_key, text_key, roles)
    call_id = answered_call(turn, field) if message.role == "tool" else None
    return message._replace(calls=calls, call_id=call_id)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _text(holder: Mapping[str, Any], key: str, field: str, role: str) -> str:
    text = holder.get(key)
    if not isinstance(text, str):
        what = f'"{key}" is missing.' if key not in holder else f'"{key}" is {_kind(text)}, not text.'
        hint = "Write the turn as plain text."
        if "tool_calls" in holder:
            hint = "Calls of tools are read in chat format only, as tool_calls of an assistant turn."
        raise RowError(field, what, hint)
    if not text.strip() and role in ("assistant", "user"):
        raise RowError(field, f"The {role} turn is empty.", "Fill it or remove the row.")
    if "\x00" in text:
        raise RowError(field, "The text holds a NUL character (\\u0000).", "Remove it.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RowError(
                field,
                f"Character {error.start + 1} of the text is half a symbol (a lone surrogate).",
                "Remove the broken \\ud… escape or export the file again.",
            ) from error
    return text


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a number"


def _alpaca(row: Mapping[str, Any]) -> Iterator[Message]:
    instruction = _text(row, "instruction", "instruction", "user")
    extra = row.get("input")
    if extra is not None:
        extra = _text(row, "input", "input", "input")
    answer = _text(row, "output", "output", "assistant")
    if system := _system(row):
        yield system
    yield Message("user", f"{instruction}\n\n{extra}" if extra else instruction)
    yield Message("assistant", answer)


def _system(row: Mapping[str, Any]) -> Message | None:
    """A `system` text beside the turns; absent, null and empty mean none."""
    if row.get("system") in (None, ""):
        return None
    return Message("system", _text(row, "system", "system", "system"))


def _order_problems(messages: list[Message]) -> Iterator[tuple[int, str, str]]:
    """(position, problem, hint) of turns that stand where no chat template takes them."""
    first = 1 if messages[0].role == "system" else 0
    if len(messages) > first and messages[first].role in ("assistant", "tool"):
        yield (
            first,
            f"The first turn is {messages[first].role}; it must be user (after an optional system).",
            ("Begin the conversation with what the user says."),
        )
    for position in range(1, len(messages)):
        role, before = messages[position].role, messages[position - 1].role
        if role == "system":
            yield position, "A system turn stands after the beginning.", "Keep one system turn, as the first."
        elif role == "assistant" and before == "assistant":
            yield position, "Two assistant turns follow one another.", "Join them into one turn."
        elif role == "tool" and before not in ("assistant", "tool"):
            yield (
                position,
                f"A tool turn follows a {before} turn.",
                "A tool answers the assistant; reorder the turns.",
            )
    if not any(message.role == "assistant" for message in messages):
        yield (
            0,
            "The conversation has no assistant turn, so nothing can be learned from it.",
            ("Add the answer or remove the row."),
        )
