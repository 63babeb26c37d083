"""Lines of the books by time: a span of them, whatever months it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain.cost import CostRecord, month_of

Store = Callable[[str], Any]


def _line(key: str, at: datetime, job_id: str = "job_0000000000000001") -> CostRecord:
    return CostRecord(
        job_id,
        key,
        "leaked",
        Decimal("1.234567"),
        "H100",
        1,
        60,
        at,
        month_of(at),
        1,
        True,
        "",
        pod_id="pod1",
    )


def test_cost_lines_of_a_span_come_oldest_first_whatever_months_it_touches(store: Store) -> None:
    costs = store("costs")
    first = datetime(2026, 11, 30, 23, 59, 59, 500000, tzinfo=UTC)
    lines = [
        _line("a", first),
        _line("b", first + timedelta(seconds=1)),
        _line("c", first + timedelta(days=40)),
    ]
    for line in reversed(lines):
        costs.put(line)
    assert list(costs.between(first, first + timedelta(days=365))) == lines
    assert list(costs.between(first, first + timedelta(seconds=1))) == lines[:1]
    assert list(costs.between(first + timedelta(microseconds=1), first + timedelta(days=40))) == lines[1:2]
    assert list(costs.between(datetime(2027, 2, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC))) == []


def test_a_cost_line_written_again_moves_to_its_new_month(store: Store) -> None:
    costs = store("costs")
    november, december = datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    costs.put(_line("a", november))
    corrected = replace(_line("a", december), amount_usd=Decimal("2"))
    costs.put(corrected)
    assert list(costs.between(november, december)) == []
    assert list(costs.between(november, december + timedelta(days=1))) == [corrected]
    assert list(costs.of_job(corrected.job_id)) == [corrected]
