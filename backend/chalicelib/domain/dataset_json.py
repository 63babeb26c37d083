"""One line of a training file -> one JSON object, or a sentence on why it is none."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_NESTING = 64
MAX_SHOWN = 40  # characters of a user's value repeated in a message


class RowError(Exception):
    """Why a row cannot be used.

    field: a path such as `messages[2].role`, None for the whole line.
    is_cut: the line stops before its object does, as it happens when an export breaks off.
    """

    def __init__(self, field: str | None, message: str, hint: str, *, is_cut: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.hint = hint
        self.is_cut = is_cut


class DuplicateKeyError(ValueError):
    pass


class NotJsonNumberError(ValueError):
    pass


def shown(value: object) -> str:
    """A value as it may stand in a sentence: short, printable, in quotes when it is text."""
    if isinstance(value, str):
        return f'"{printable(value)}"'
    return printable(json.dumps(value, default=str))


def printable(text: str) -> str:
    """Short, and without characters that a store or a page could choke on."""
    short = text[:MAX_SHOWN] + ("…" if len(text) > MAX_SHOWN else "")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in short)


def read_row(line: bytes) -> dict[str, Any]:
    """The JSON object of a line. RowError says what is wrong and where in the line."""
    if 0 in line:
        raise RowError(
            None, "The line holds NUL bytes.", "The file is damaged; export it again as UTF-8 text."
        )
    if b"\r" in line:
        raise RowError(
            None, "The line holds old Mac line breaks (CR).", "Save the file with LF or CRLF line breaks."
        )
    try:
        row = _DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RowError(
            None,
            f"The line is not UTF-8 (byte {error.start + 1} of the line).",
            "Save the file as UTF-8 and upload it again.",
            is_cut=error.reason == "unexpected end of data",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from error
    if not isinstance(row, dict):
        raise RowError(None, "The line is not a JSON object.", 'Write an object such as {"messages": [...]}.')
    # Counting brackets is cheap and never too low; only suspicious rows are walked.
    if line.count(b"[") + line.count(b"{") > MAX_NESTING and _is_too_deep(row):
        raise _too_deep()
    return row


def _not_json(error: Exception) -> RowError:
    if isinstance(error, RecursionError):
        return _too_deep()
    if isinstance(error, DuplicateKeyError):
        key = str(error)
        return RowError(
            printable(key), f"The key {shown(key)} appears twice in one object.", "Keep one of the two."
        )
    if isinstance(error, NotJsonNumberError):
        return RowError(None, f"{error} is not JSON.", "Use null or leave the field out.")
    if isinstance(error, json.JSONDecodeError):
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
            return RowError(
                None,
                "The line ends in the middle of a JSON object.",
                "Write each object on one line; if the file was cut off, export it again.",
                is_cut=True,
            )
        return RowError(
            None,
            f"The line is not valid JSON: {error.msg} at column {error.pos + 1}.",
            "Correct the line; a JSON checker shows the place.",
        )
    return RowError(None, "The line holds a number that is too large.", "Shorten it or write it as text.")


def _too_deep() -> RowError:
    return RowError(
        None, f"The line is nested more than {MAX_NESTING} levels deep.", "Remove the deeply nested field."
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _refuse_constant(name: str) -> None:
    raise NotJsonNumberError(name)


def _finite(text: str) -> float:
    """Infinity cannot be written as JSON again, so 1e999 must not become it."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite
)


def _is_too_deep(row: dict[str, Any]) -> bool:
    level: list[Any] = [row]
    for _ in range(MAX_NESTING):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
