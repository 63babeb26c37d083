"""Brings the queue's history up to date: what changed jobs say becomes events, and events add up to days.

Reads only jobs changed since the last time, and writes only events that the record does not say were written. Two at
once write the same events and the same days, and what one loses by writing second is written again by the next: the
record that it left does not know it, and the newest two days are added up anew with each event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.domain.queue_history import Day, QueueEvent, add_up, events_of
from chalicelib.ports import JobStore, SettingsStore
from chalicelib.ports_queue import QueueEventStore
from chalicelib.use_cases.changed_jobs import changed_jobs

DOCUMENT = "queue_days"
DAYS_KEPT = 60
# Writers' clocks differ, and the index of changes lags behind its table a little.
_OVERLAP = timedelta(minutes=2)
# A change of that age is in the index for certain.
_SETTLED = timedelta(minutes=5)
# A start is dated by its claim and known once the GPU is there, which takes 20 minutes at most.
_KNOWN_LATE = timedelta(minutes=45)


def record_queue_history(
    *, jobs: JobStore, events: QueueEventStore, documents: SettingsStore, now: datetime
) -> int:
    """How many events were written."""
    stored = documents.get(DOCUMENT) or {}
    cursor = datetime.fromisoformat(stored["cursor"]) if stored.get("cursor") else None
    since = None if cursor is None else cursor - _OVERLAP
    changed, newest = changed_jobs(jobs, since)
    recent = {
        _digest(event): event
        for job in changed
        for event in events_of(job)
        if since is None or event.at >= since - _KNOWN_LATE
    }
    written = set(stored.get("written", ()))
    fresh = [event for digest, event in recent.items() if digest not in written]
    for event in fresh:
        events.add(event)
    today = now.astimezone(UTC).date()
    reached = _next_cursor(newest or cursor, now)
    is_over = bool(changed) and reached != newest
    if not fresh and not is_over and stored.get("today") == today.isoformat():
        return 0
    documents.put(
        DOCUMENT,
        {
            **_document(stored, fresh, events, today),
            "cursor": None if reached is None else reached.isoformat(),
            "written": sorted(recent),
        },
    )
    return len(fresh)


def _digest(event: QueueEvent) -> str:
    """Of all it says: one that is told otherwise later is written again."""
    return hashlib.sha256(repr(event).encode()).hexdigest()[:12]


def _next_cursor(newest: datetime | None, now: datetime) -> datetime | None:
    """The newest change; once that is a while ago, a time after it, so that idle minutes do not read it again."""
    if newest is None or now - newest < _SETTLED:
        return newest
    return now - _SETTLED + _OVERLAP


def known_days(document: Mapping[str, Any] | None) -> dict[date, Day]:
    rows = (document or {}).get("days", {})
    return {date.fromisoformat(day): Day(**row) for day, row in rows.items()}


def longest_wait_seconds(document: Mapping[str, Any] | None) -> float | None:
    """Of all time; None before the first start."""
    longest = (document or {}).get("longest_wait_seconds")
    return None if longest is None else float(longest)


def _document(
    stored: Mapping[str, Any], fresh: list[QueueEvent], events: QueueEventStore, today: date
) -> dict[str, Any]:
    days = known_days(stored)
    for day in {event.day for event in fresh} | {today, today - timedelta(days=1)}:
        days[day] = add_up(events.of_day(day))
    longest = [day.longest_wait_seconds for day in days.values() if day.started]
    before = longest_wait_seconds(stored)
    kept = {day: days[day] for day in sorted(days)[-DAYS_KEPT:]}
    return {
        "today": today.isoformat(),
        "longest_wait_seconds": max([*longest, *([] if before is None else [before])], default=None),
        "days": {day.isoformat(): asdict(row) for day, row in kept.items()},
    }
