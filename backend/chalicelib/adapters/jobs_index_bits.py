"""Which jobs have which value, as bits of whole numbers: bit n stands for the job in row n.

Counting a hundred thousand jobs in such a number takes microseconds, whatever the filter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from chalicelib.adapters.jobs_index_rows import person

# Facet -> the filter of the question that chooses among its values.
FACETS: Mapping[str, str] = {
    "tab": "tab",
    "status": "statuses",
    "preset": "presets",
    "created_by": "created_by",
    "gpu_tier": "gpu_tiers",
    "cost": "costs",
}
# Microseconds until the year 2255.
_TIME_BITS = 53
_MICRO_USD_PER_CENT = 10_000
_FEW = 200
_AS_FLAGS = bytes(int(character == ord("1")) for character in range(256))


def bits_of(numbers: Sequence[int]) -> int:
    if len(numbers) < _FEW:
        few = bytearray(max(numbers, default=0) // 8 + 1)
        for number in numbers:
            few[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(few, "little")
    digits = bytearray(b"0") * (max(numbers) + 1)
    for number in numbers:
        digits[number] = 49
    digits.reverse()
    return int(digits, 2)


def numbers_of(bits: int) -> list[int]:
    """The jobs of a set, lowest number first."""
    if bits.bit_count() >= _FEW:
        flags = f"{bits:b}"[::-1].encode().translate(_AS_FLAGS)
        return list(compress(range(len(flags)), flags))
    numbers = []
    while bits:
        numbers.append(bits.bit_length() - 1)
        bits ^= 1 << numbers[-1]
    return numbers[::-1]


@dataclass(slots=True)
class Slices:
    """A whole number of each job, not negative, kept bit by bit: weight of the bit -> the jobs that have it."""

    held: dict[int, int] = field(default_factory=dict)

    def toggle(self, job: int, value: int, unit: int = 1) -> None:
        weight = unit
        while value > 0:
            if value & 1:
                self.held[weight] = self.held.get(weight, 0) ^ job
            value >>= 1
            weight <<= 1

    def sum(self, jobs: int) -> int:
        return sum(weight * (jobs & bits).bit_count() for weight, bits in self.held.items())

    def at_least(self, value: int, jobs: int) -> int:
        """Those of the given jobs whose number is not below the value."""
        if value <= 0 or value >> _TIME_BITS:
            return jobs if value <= 0 else 0
        above, equal = 0, jobs
        for place in reversed(range(_TIME_BITS)):
            having = equal & self.held.get(1 << place, 0)
            if value >> place & 1:
                equal = having
            else:
                above |= having
                equal ^= having
            if not value & ((1 << place) - 1):
                break
        return above | equal


class Bits:
    """Every job by its values. Putting a job in and taking it out are one operation, done twice."""

    def __init__(self) -> None:
        self.every = 0
        self.running_clock = 0
        self.facets: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
        self.created = Slices()
        self.cost = Slices()

    def toggle(self, number: int, facts: Mapping[str, Any]) -> None:
        """facts: columns of the job's row."""
        job = 1 << number
        self.every ^= job
        if facts["clock_runs"]:
            self.running_clock ^= job
        self.created.toggle(job, facts["created_at"])
        cents, rest = divmod(facts["cost_micro_usd"], _MICRO_USD_PER_CENT)
        # Amounts are nearly always whole cents, which takes fewer bits than their millionths.
        self.cost.toggle(job, cents, _MICRO_USD_PER_CENT)
        self.cost.toggle(job, rest)
        for facet, held in self.facets.items():
            _toggle(held, value_of(facet, facts), job)

    def between(self, created_from: int | None, created_before: int | None) -> int:
        found = self.every if created_from is None else self.created.at_least(created_from, self.every)
        return found if created_before is None else found ^ self.created.at_least(created_before, found)

    def dump(self) -> Iterator[tuple[str, bytes]]:
        for group, held in self._groups().items():
            for key, bits in held.items():
                yield json.dumps([group, key]), bits.to_bytes(bits.bit_length() // 8 + 1, "little")

    def load(self, name: str, body: bytes) -> None:
        group, key = json.loads(name)
        bits = int.from_bytes(body, "little")
        if group == "alone":
            setattr(self, key, bits)
        else:
            self._groups()[group][key] = bits

    def _groups(self) -> dict[str, dict[Any, int]]:
        return {
            "alone": {"every": self.every, "running_clock": self.running_clock},
            "created": self.created.held,
            "money": self.cost.held,
            **self.facets,
        }


def value_of(facet: str, facts: Mapping[str, Any]) -> str:
    if facet == "created_by":
        return person(facts["creator_id"], facts["creator_name"])
    return str(facts["cost_bucket" if facet == "cost" else facet])


def _toggle(held: dict[str, int], value: str, job: int) -> None:
    bits = held.get(value, 0) ^ job
    if bits:
        held[value] = bits
    else:
        held.pop(value, None)
