"""The books of a period: the sums of all of it, and its lines page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.cost import CostRecord
from chalicelib.domain.spending import Period, Spending, add_up
from chalicelib.ports import CostStore


@dataclass(frozen=True, slots=True)
class CostPage:
    """lines: oldest first. after: the place of the last one, to ask for the next page with; None at the end."""

    period: Period
    spending: Spending
    lines: Sequence[CostRecord]
    after: str | None


def read_costs(period: Period, after: str | None, limit: int, *, costs: CostStore) -> CostPage:
    """after: the `after` of the page before. Sums are of the whole period on every page."""
    lines = costs.between(period.start, period.end)
    rest = [line for line in lines if after is None or place_of(line) > after]
    page = rest[:limit]
    more = len(rest) > len(page)
    return CostPage(period, add_up(lines, period), page, place_of(page[-1]) if more else None)


def place_of(line: CostRecord) -> str:
    """Sorts as `CostStore.between` does."""
    return f"{line.at.timestamp():020.6f} {line.job_id} {line.key}"
