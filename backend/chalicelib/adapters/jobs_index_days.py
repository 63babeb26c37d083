"""How many jobs of each value were made by each day: what the unfiltered list shows, however long its history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.adapters.jobs_index_bits import FACETS, value_of

DAY_MICROSECONDS = 24 * 3600 * 1_000_000
# Beside the facets: a bucket's micro-USD.
MONEY = "money"


class RunningTotal:
    """A sum by day, so that any range of days is one subtraction."""

    def __init__(self, first: int = 0, sums: list[int] | None = None) -> None:
        self.first = first
        self.sums = sums or []

    def add(self, day: int, amount: int) -> None:
        if not self.sums:
            self.first = day
        if day < self.first:
            self.sums[:0] = [0] * (self.first - day)
            self.first = day
        last = self.sums[-1] if self.sums else 0
        self.sums.extend([last] * (day - self.first + 1 - len(self.sums)))
        for place in range(day - self.first, len(self.sums)):
            self.sums[place] += amount

    def between(self, first: int | None, before: int | None) -> int:
        """Of the days from `first` on and before `before`; None is open."""
        if first is not None and before is not None and first >= before:
            return 0
        return self._until(before) - (0 if first is None else self._until(first))

    def _until(self, before: int | None) -> int:
        if before is None:
            return self.sums[-1] if self.sums else 0
        place = min(before - self.first, len(self.sums)) - 1
        return self.sums[place] if place >= 0 else 0


class Days:
    """Jobs that are active are counted apart, since a range that reaches now holds all of them."""

    def __init__(self) -> None:
        self._totals: dict[tuple[bool, str, str], RunningTotal] = {}

    def add(self, facts: Mapping[str, Any], times: int) -> None:
        """times: 1 for a job that came, -1 for one that went."""
        day = facts["created_at"] // DAY_MICROSECONDS
        active = facts["tab"] == "active"
        for facet in FACETS:
            self._add((active, facet, value_of(facet, facts)), day, times)
        self._add((active, MONEY, facts["cost_bucket"]), day, times * facts["cost_micro_usd"])

    def counts(self, first: int | None, before: int | None, reaches_now: bool) -> dict[str, dict[str, int]]:
        """facet -> value -> jobs (for `money`: micro-USD), of the jobs made in these days."""
        found: dict[str, dict[str, int]] = {facet: {} for facet in (*FACETS, MONEY)}
        for (active, facet, value), total in self._totals.items():
            every = active and reaches_now
            number = total.between(None, None) if every else total.between(first, before)
            if number:
                found[facet][value] = found[facet].get(value, 0) + number
        return found

    def dump(self) -> Iterator[tuple[str, bytes]]:
        for key, total in self._totals.items():
            yield json.dumps(key), json.dumps([total.first, total.sums]).encode()

    def load(self, name: str, body: bytes) -> None:
        active, facet, value = json.loads(name)
        self._totals[active, facet, value] = RunningTotal(*json.loads(body))

    def _add(self, key: tuple[bool, str, str], day: int, amount: int) -> None:
        if amount:
            self._totals.setdefault(key, RunningTotal()).add(day, amount)
