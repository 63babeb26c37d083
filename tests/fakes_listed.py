"""What the in-memory stores share: the version check, and things that are listed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.domain.errors import StaleWrite


def check(present: Any, expected: Any) -> None:
    if (None if present is None else present.version) != (None if expected is None else expected.version):
        raise StaleWrite("Someone else changed this meanwhile. Reload and try again.")


def raised(after: Any, expected: Any) -> Any:
    return replace(after, version=1 if expected is None else expected.version + 1)


class FakeListed:
    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def get(self, thing_id: str) -> Any:
        return self.rows.get(thing_id)

    def save(self, after: Any, *, expected: Any) -> Any:
        check(self.rows.get(after.id), expected)
        self.rows[after.id] = saved = raised(after, expected)
        return saved

    def all(self) -> Sequence[Any]:
        shown = [row for row in self.rows.values() if str(getattr(row, "status", "")) != "deleted"]
        return sorted(shown, key=lambda row: row.created_at, reverse=True)
