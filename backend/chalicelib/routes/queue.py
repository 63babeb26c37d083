"""The queue over HTTP: who runs, who waits, when each starts, and what happened."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field

from chalicelib import bootstrap, telling, views_queue
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.identity import Role
from chalicelib.domain.queue_history import statistics
from chalicelib.routes.http import Call, Query, endpoint
from chalicelib.use_cases.read_queue import QueueNow, read_queue
from chalicelib.use_cases.read_queue_history import read_queue_history
from chalicelib.use_cases.record_queue_history import DOCUMENT, known_days, longest_wait_seconds

bp = Blueprint(__name__)
_KEY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-\d\dT[\d:.]{5,20}Z#[a-z]{1,20}#[a-z0-9_]{1,60}")


class HistoryQuery(Query):
    cursor: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,200}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    days: Annotated[int, Field(ge=1, le=60)] = 30


def queue_now(call: Call) -> QueueNow:
    return read_queue(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        limit=telling.concurrency_limit(),
        now=call.now,
    )


@endpoint(bp, "GET", "/api/queue", summary="Slots, waiting jobs with their forecasts, and statistics")
def get_queue(call: Call) -> dict[str, Any]:
    document = bootstrap.documents().get(DOCUMENT)
    facts = statistics(known_days(document), longest_wait_seconds(document), call.now.astimezone(UTC).date())
    return views_queue.queue_json(queue_now(call), facts, call.person.id)


@endpoint(
    bp,
    "GET",
    "/api/queue/history",
    role=Role.MANAGER,
    query=HistoryQuery,
    summary="What happened in the queue, newest first, and what each day added up to",
)
def get_queue_history(call: Call) -> dict[str, Any]:
    history = read_queue_history(
        events=bootstrap.queue_events(),
        documents=bootstrap.documents(),
        before=_before(call.query.cursor),
        limit=call.query.limit,
        days=call.query.days,
        now=call.now,
    )
    return views_queue.history_json(history)


def _before(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        key = views_queue.read_cursor(cursor)
    except ValueError:
        key = ""
    if not _KEY.fullmatch(key):
        raise ValidationFailed({"cursor": ["Not a cursor of this list."]})
    return key
