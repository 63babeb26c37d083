"""The orders of the jobs list: each is made when first asked for and then kept with every change."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any

import apsw

from chalicelib.adapters import jobs_index_sql as sql
from chalicelib.adapters.jobs_index_bits import numbers_of
from chalicelib.adapters.jobs_index_orders import Entry, Order
from chalicelib.domain.job_search import JobSearch

# The order of nearly every question is written into the base file.
_USUAL = ("created_at", True)
# So few are sorted rather than sought in an order of all.
FEW = 200
BLOCK = 2048
# Orders that hold only the jobs whose clock stands, or runs.
_BY_CLOCK = {"duration": 0, "running": 1}


class Pages:
    def __init__(self, connection: apsw.Connection, few: int = FEW, block: int = BLOCK) -> None:
        self._connection = connection
        self._few = few
        self._block = block
        self._orders: dict[tuple[str, bool], Order] = {}

    def page(
        self, question: JobSearch, jobs: int, running: int, now: int, offset: int, limit: int
    ) -> Sequence[int]:
        """Numbers of the jobs of a page of these jobs; running: those whose clock runs."""
        if jobs.bit_count() <= self._few:
            few = self._sorted(question, numbers_of(jobs), now)
            return [number for number, _, _ in few[offset : offset + limit]]
        if offset >= jobs.bit_count():
            return []
        if question.sort_by == "duration" and jobs & running:
            return self._merged(question, jobs, running, now, offset, limit)
        return self._order(question.sort_by, question.descending).page(jobs, offset, limit)

    def leave(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Takes a job out of the orders in which it does not stay where it is. Called before its row changes."""
        for (sort_by, _), order in self._orders.items():
            old = _entry(sort_by, before)
            if before is not None and old is not None and old != _entry(sort_by, after):
                order.remove(before["n"], old)

    def enter(self, number: int, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """Called after its row changed."""
        for (sort_by, _), order in self._orders.items():
            new = _entry(sort_by, after)
            if new is not None and new != _entry(sort_by, before):
                order.insert(number, new)

    def dump(self) -> Iterator[tuple[str, bytes]]:
        yield "usual", array("I", self._order(*_USUAL).numbers()).tobytes()

    def load(self, _: str, body: bytes) -> None:
        self._orders[_USUAL] = self._made(*_USUAL, array("I", body))

    def _order(self, sort_by: str, descending: bool) -> Order:
        if (sort_by, descending) not in self._orders:
            found = self._connection.execute(sql.ordered(sort_by, descending))
            self._orders[sort_by, descending] = self._made(
                sort_by, descending, [number for (number,) in found]
            )
        return self._orders[sort_by, descending]

    def _made(self, sort_by: str, descending: bool, numbers: Sequence[int]) -> Order:
        statement = sql.entry(sort_by)

        def entry_of(number: int) -> Entry:
            found: Any = self._connection.execute(statement, (number,)).fetchone()
            return found[0], found[1]

        return Order(numbers, descending, entry_of, self._block)

    def _merged(
        self, question: JobSearch, jobs: int, running: int, now: int, offset: int, limit: int
    ) -> list[int]:
        """By duration: of the jobs whose clock stands, and of those whose clock runs, merged as of now."""
        key = _longest_first if question.descending else _shortest_first
        standing = self._order("duration", question.descending), jobs & ~running
        moving = self._order("running", not question.descending), jobs & running

        def entries(of: tuple[Order, int], offset: int, limit: int) -> list[tuple[Any, ...]]:
            return self._sorted(question, of[0].page(of[1], offset, limit), now)

        # How many of those before the page are running ones: halved until it is known.
        low = max(0, offset - standing[1].bit_count())
        high = min(offset, moving[1].bit_count())
        while low < high:
            middle = (low + high) // 2
            one, other = entries(moving, middle, 1)[0], entries(standing, offset - middle - 1, 1)[0]
            if key(one) < key(other):
                low = middle + 1
            else:
                high = middle
        merged = merge(entries(standing, offset - low, limit), entries(moving, low, limit), key=key)
        return [number for number, _, _ in islice(merged, limit)]

    def _sorted(self, question: JobSearch, numbers: Sequence[int], now: int) -> list[tuple[Any, ...]]:
        statement = sql.few(question.sort_by, question.descending)
        bindings = {"numbers": json.dumps(numbers)}
        if question.sort_by == "duration":
            return self._connection.execute(statement, {**bindings, "now": now}).fetchall()
        return self._connection.execute(statement, bindings).fetchall()


def _entry(sort_by: str, facts: Mapping[str, Any] | None) -> Entry | None:
    """None for no job, and for one that has no place in that order."""
    if facts is None or (sort_by in _BY_CLOCK and facts["clock_runs"] != _BY_CLOCK[sort_by]):
        return None
    return facts[sql.SORT_COLUMNS[sort_by]], facts["id"]


def _longest_first(found: tuple[int, int | None, str]) -> tuple[bool, int, str]:
    _, duration, job_id = found
    return duration is None, -(duration or 0), job_id


def _shortest_first(found: tuple[int, int | None, str]) -> tuple[bool, int, str]:
    _, duration, job_id = found
    return duration is None, duration or 0, job_id
