"""Reading a job while it runs: one poll for the page, the curves, the event log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, views
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.job import Job
from chalicelib.domain.metrics import columns, merge, thin
from chalicelib.domain.progress import LogEvent, Progress
from chalicelib.domain.rollups import Curve
from chalicelib.routes.http import Call, endpoint
from chalicelib.routes.job_bodies import EventsQuery, LiveQuery, MetricsQuery
from chalicelib.routes.jobs import shown
from chalicelib.use_cases.again import change_progress, the_job
from chalicelib.use_cases.read_curve import read_curve, read_new_points

bp = Blueprint(__name__)

TYPES = ("status", "metrics", "checkpoint", "warning", "error", "info")
_WATCHED = timedelta(seconds=30)
_FIRST_EVENTS = 10
_MOST_EVENTS = 100


@endpoint(
    bp,
    "GET",
    "/api/jobs/{job_id}/live",
    query=LiveQuery,
    summary="What changed since the cursor, in one poll",
)
def get_live(call: Call) -> dict[str, Any]:
    job = the_job(bootstrap.jobs(), call.path["job_id"])
    row = bootstrap.progress().get(job.id) or Progress(job.id)
    wait = 0 if job.is_final and not job.cleanup_pending else 5
    if not job.is_final:
        row = _note_watcher(row, call.now)
    seen = views.read_cursor(call.query.cursor)
    cursor = views.cursor_of(job, row)
    if call.query.cursor == cursor:
        return {"cursor": cursor, "changed": False, "poll_after_seconds": wait}
    rows, reset = read_new_points(row, seen.revision, progress=bootstrap.progress())
    return {
        "cursor": cursor,
        "changed": True,
        "job": shown(job, row, call),
        "points": columns(rows),
        "reset_points": reset,
        "events": [views.event_json(event) for event in _newest_events(job.id, row, seen.events)],
        "poll_after_seconds": wait,
    }


def _note_watcher(row: Progress, now: datetime) -> Progress:
    """While someone looks, the trainer reports every 5 s. One small write in 20 s, whoever looks."""
    if row.version == 0 or (row.watched_until and row.watched_until - now > timedelta(seconds=10)):
        return row
    until = now + _WATCHED
    return change_progress(
        bootstrap.progress(), row.job_id, lambda before: replace(before, watched_until=until)
    )


def _newest_events(job_id: str, row: Progress, seen: int) -> Sequence[LogEvent]:
    """Newest first; a first look gets what the overview shows."""
    most = _MOST_EVENTS if seen else _FIRST_EVENTS
    after = max(seen - 1, row.event_count - most - 1)
    return list(reversed(bootstrap.progress().events(job_id, after=after)))


@endpoint(
    bp,
    "GET",
    "/api/jobs/{job_id}/metrics",
    query=MetricsQuery,
    summary="The curves, thinned by exact extremes",
)
def get_metrics(call: Call) -> dict[str, Any]:
    job = the_job(bootstrap.jobs(), call.path["job_id"])
    row = bootstrap.progress().get(job.id) or Progress(job.id)
    curve = _curve(row, views.read_cursor(call.query.cursor).revision, call.query.max_points)
    kept = thin(curve.rows, call.query.max_points)
    extra = {"at": [point.get("at") for point in kept]} if call.query.x == "time" else {}
    return {
        "columns": {**columns(kept), **extra},
        "cursor": views.cursor_of(job, row),
        "points": len(kept),
        "total_points": curve.points,
        "thinned": len(kept) < curve.points,
    }


def _curve(row: Progress, after_revision: int, max_points: int) -> Curve:
    """The whole curve, or of a cursor the points that came after it."""
    if not after_revision:
        return read_curve(row.job_id, row.revision, max_points, progress=bootstrap.progress())
    blocks = bootstrap.progress().blocks(row.job_id, after_revision)
    rows = merge(point for block in blocks for point in block.rows)
    return Curve(rows, len(rows))


@endpoint(
    bp, "GET", "/api/jobs/{job_id}/events", query=EventsQuery, summary="The event log: filter, search, page"
)
def get_events(call: Call) -> dict[str, Any]:
    query: EventsQuery = call.query
    job: Job = the_job(bootstrap.jobs(), call.path["job_id"])
    found = _within(bootstrap.progress().events(job.id), _time("from", query.from_), _time("to", query.to))
    found = _matching(found, query.search)
    counts = Counter(event.type for event in found)
    wanted = _types(query.type)
    found = [event for event in found if event.type in wanted]
    if query.sort == "desc":
        found.reverse()
    first = (query.page - 1) * query.limit
    return {
        "events": [views.event_json(event) for event in found[first : first + query.limit]],
        "counts": {kind: counts.get(kind, 0) for kind in TYPES},
        "pagination": {
            "page": query.page,
            "limit": query.limit,
            "total": len(found),
            "total_pages": max(1, -(-len(found) // query.limit)),
        },
    }


def _types(text: str | None) -> frozenset[str]:
    if not text:
        return frozenset(TYPES)
    wanted = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = sorted(wanted - frozenset(TYPES))
    if unknown:
        raise ValidationFailed({"type": [f"Unknown type. Choose from {', '.join(TYPES)}."]})
    return wanted


def _time(field: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ValidationFailed({field: ["Write a time as 2026-11-22T10:00:00Z."]}) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _within(events: Sequence[LogEvent], begin: datetime | None, end: datetime | None) -> list[LogEvent]:
    return [
        event for event in events if (begin is None or event.at >= begin) and (end is None or event.at <= end)
    ]


def _matching(events: list[LogEvent], search: str | None) -> list[LogEvent]:
    """Case-insensitive, over message, type and payload."""
    if not search:
        return events
    wanted = search.casefold()
    return [
        event
        for event in events
        if wanted
        in f"{event.message} {event.type} {json.dumps(dict(event.data), ensure_ascii=False)}".casefold()
    ]
