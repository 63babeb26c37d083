"""The jobs in one order, in blocks that know which jobs they hold: any page of any selection, near or far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from chalicelib.adapters.jobs_index_bits import bits_of, numbers_of

# Of so few, looking for each one's place is cheaper than looking at each place.
_FEW = 50
# (key, id): what a job is sorted by. No key comes last, whichever the direction.
Entry = tuple[Any, str]


@dataclass(slots=True)
class _Block:
    numbers: list[int]
    # Made when it is first asked for: the first pages need none of the later blocks.
    bits: int | None = None

    def among(self, jobs: int) -> int:
        if self.bits is None:
            self.bits = bits_of(self.numbers)
        return jobs & self.bits

    def those_of(self, hits: int, count: int) -> Iterable[int]:
        """hits: some of the block's jobs, so many."""
        if count == len(self.numbers):
            return self.numbers
        if count < _FEW:
            wanted = set(numbers_of(hits))
            return (number for number in self.numbers if number in wanted)
        packed = hits.to_bytes(max(self.numbers) // 8 + 1, "little")
        return (number for number in self.numbers if packed[number >> 3] >> (number & 7) & 1)


def comes_first(one: Entry, other: Entry, descending: bool) -> bool:
    if one[0] == other[0]:
        return one[1] < other[1]
    if one[0] is None or other[0] is None:
        return other[0] is None
    return bool(one[0] > other[0] if descending else one[0] < other[0])


class Order:
    """entry_of: of a job in this order. block: how many jobs a block has at most twice."""

    def __init__(
        self, numbers: Sequence[int], descending: bool, entry_of: Callable[[int], Entry], block: int
    ) -> None:
        self._descending = descending
        self._entry_of = entry_of
        self._size = block
        self._blocks = [
            _Block(list(numbers[start : start + block])) for start in range(0, len(numbers), block)
        ]

    def numbers(self) -> Iterator[int]:
        for block in self._blocks:
            yield from block.numbers

    def page(self, jobs: int, offset: int, limit: int) -> list[int]:
        """Of these jobs, in this order."""
        found: list[int] = []
        for block in self._blocks:
            hits = block.among(jobs)
            count = hits.bit_count()
            if offset < count:
                inside = block.those_of(hits, count)
                found += islice(inside, offset, offset + limit - len(found))
                if len(found) == limit:
                    break
            offset = max(0, offset - count)
        return found

    def insert(self, number: int, entry: Entry) -> None:
        at = self._block_of(entry)
        if at == len(self._blocks):
            self._blocks.append(_Block([]))
        block = self._blocks[at]
        block.numbers.insert(self._place(block.numbers, entry), number)
        if block.bits is not None:
            block.bits |= 1 << number
        if len(block.numbers) >= 2 * self._size:
            second = block.numbers[self._size :]
            self._blocks[at : at + 1] = [_Block(block.numbers[: self._size]), _Block(second)]

    def remove(self, number: int, entry: Entry) -> None:
        at = self._block_of(entry)
        block = self._blocks[at]
        place = self._place(block.numbers, entry)
        if block.numbers[place] != number:
            raise RuntimeError("An order of the jobs list does not hold a job where it belongs.")
        del block.numbers[place]
        if block.bits is not None:
            block.bits ^= 1 << number
        if not block.numbers:
            del self._blocks[at]

    def _block_of(self, entry: Entry) -> int:
        """The block in which the entry belongs: the last one that does not begin after it."""
        firsts = [block.numbers[0] for block in self._blocks]
        place = self._place(firsts, entry)
        begins = place < len(firsts) and self._entry_of(firsts[place]) == entry
        return place if begins else max(0, place - 1)

    def _place(self, numbers: Sequence[int], entry: Entry) -> int:
        """How many of these come before the entry."""
        low, high = 0, len(numbers)
        while low < high:
            middle = (low + high) // 2
            if comes_first(self._entry_of(numbers[middle]), entry, self._descending):
                low = middle + 1
            else:
                high = middle
        return low
