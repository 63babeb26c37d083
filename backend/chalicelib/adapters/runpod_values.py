"""Values out of JSON that somebody else wrote: the right type, or None."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


class UnreadableReplyError(ValueError):
    """The reply is not what the document describes; the text says where."""


def decoded(content: bytes) -> Mapping[str, Any]:
    """A JSON object with exact decimals for money. Raises UnreadableReplyError."""
    try:
        body = json.loads(content, parse_float=Decimal, parse_constant=_refused_constant)
    except ValueError as error:
        raise UnreadableReplyError(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UnreadableReplyError(f"a JSON object was expected, not {type(body).__name__}")
    return body


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def mapping(value: Any) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """The array, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """The string, or None."""
    return value if isinstance(value, str) else None


def integer(value: Any) -> int | None:
    """The whole number, cut if it has a fraction, or None."""
    return int(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def decimal(value: Any) -> Decimal | None:
    """The exact number, or None."""
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """An RFC 3339 time as aware UTC, or None."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
