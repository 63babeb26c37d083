"""Reads one JSON object field by field, naming the exact place of whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from trainer.errors import BadConfigurationError


class Fields:
    """Typed access to one object of the job file; every refusal is a BadConfigurationError naming the
    path."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise BadConfigurationError(f"The job file's {path} must be an object.")
        self._value: Mapping[str, Any] = value
        self._path = path

    def has(self, key: str) -> bool:
        """Whether the key is present and not null."""
        return self._value.get(key) is not None

    def within(self, key: str, optional: bool = False) -> Fields:
        """The object under key; an absent optional one reads as empty."""
        return Fields(self._value.get(key, {} if optional else None), self._where(key))

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty string."""
        value = self._value.get(key, default)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a non-empty text")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of the allowed strings."""
        value = self._value.get(key)
        if value not in allowed:
            raise self._wrong(key, "one of " + ", ".join(allowed))
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._value.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def integer(self, key: str, low: int, high: int | None = None, default: int | None = None) -> int:
        """A whole number from low to high."""
        value = self._value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not _in_range(value, low, high):
            raise self._wrong(key, _range_text("a whole number", low, high))
        return value

    def number(self, key: str, low: float, high: float | None = None, default: float | None = None) -> float:
        """A finite number from low to high."""
        value = self._value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _in_range(value, low, high):
            raise self._wrong(key, _range_text("a number", low, high))
        return float(value)

    def money(self, key: str) -> Decimal:
        """Dollars, written as a decimal string."""
        value = self._value.get(key)
        try:
            amount = Decimal(value) if isinstance(value, str) else None
        except InvalidOperation:
            amount = None
        if amount is None or not amount.is_finite() or amount < 0:
            raise self._wrong(key, 'an amount of dollars as text, such as "2.49"')
        return amount

    def texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        value = self._value.get(key, default)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def _where(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _wrong(self, key: str, expected: str) -> BadConfigurationError:
        got = self._value.get(key)
        return BadConfigurationError(
            f"The job file's {self._where(key)} must be {expected}, but it is {got!r}. "
            "Correct the job's configuration and start it again."
        )


def _in_range(value: float, low: float, high: float | None) -> bool:
    # A NaN fails both comparisons, so it is refused here as well.
    return value >= low and (high is None or value <= high) and value != float("inf")


def _range_text(kind: str, low: float, high: float | None) -> str:
    return f"{kind} of at least {low}" if high is None else f"{kind} from {low} to {high}"
