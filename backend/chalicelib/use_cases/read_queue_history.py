"""The queue's events, newest first, with the days they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from chalicelib.domain.queue_history import Day, QueueEvent
from chalicelib.ports import SettingsStore
from chalicelib.ports_queue import QueueEventStore
from chalicelib.use_cases.record_queue_history import DOCUMENT, known_days

_MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class History:
    """events: one page; before: the key to ask the next page with. days: oldest first, with empty ones in between."""

    events: Sequence[QueueEvent]
    before: str | None
    days: dict[date, Day]


def read_queue_history(
    *,
    events: QueueEventStore,
    documents: SettingsStore,
    before: str | None,
    limit: int,
    days: int,
    now: datetime,
) -> History:
    """before: the key of the last event of the page before. The days come from one small document."""
    today = now.astimezone(UTC).date()
    known = known_days(documents.get(DOCUMENT))
    wanted = [today - timedelta(days=back) for back in reversed(range(days))]
    # One more than asked tells whether there is a next page.
    found = _newest(events, before, limit + 1, today)
    page = found[:limit]
    return History(
        page,
        page[-1].key if len(found) > len(page) else None,
        {day: known.get(day, Day()) for day in wanted},
    )


def _newest(events: QueueEventStore, before: str | None, limit: int, today: date) -> list[QueueEvent]:
    month = today.replace(day=1) if before is None else date.fromisoformat(f"{before[:7]}-01")
    found: list[QueueEvent] = []
    for _ in range(_MOST_MONTHS):
        found += events.of_month(f"{month:%Y-%m}", before=before, limit=limit - len(found))
        if len(found) >= limit:
            break
        month = (month - timedelta(days=1)).replace(day=1)
    return found
