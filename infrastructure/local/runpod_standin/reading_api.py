"""The reading parts of the API: catalogue, billing, logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runpod_standin import meter
from runpod_standin.catalogue import COMMUNITY, SECURE
from runpod_standin.guard import StandIn
from runpod_standin.logbook import CONTAINER, SYSTEM, LogLine
from runpod_standin.replies import problem, reply
from runpod_standin.views import bill_view

_FOLLOW_SECONDS = 0.2
_LONGEST_TAIL = 5000
_DEFAULT_BILLING_DAYS = 30


async def list_gpus(standin: StandIn, request: Request) -> Response:
    query = request.query_params
    wants_stock = query.get("include") == "AVAILABILITY"
    if wants_stock != ("product" in query):
        return problem(400, "product and include=AVAILABILITY go together")
    cloud = query.get("cloud", SECURE)
    if cloud not in (SECURE, COMMUNITY):
        return problem(422, "Request validation failed.", ["cloud: SECURE or COMMUNITY"])
    return reply(
        {
            "gpus": [
                kind.view(standin.pods.ledger.price_factor(kind.id), cloud if wants_stock else None)
                for kind in standin.pods.kinds.values()
            ]
        }
    )


async def list_pod_billing(standin: StandIn, request: Request) -> Response:
    query = request.query_params
    bucket = query.get("bucketSize", "day")
    now = standin.now()
    try:
        start, end = _billing_window(
            query.get("startTime"), query.get("endTime"), query.get("lastN"), bucket, now
        )
    except (ValueError, KeyError, OverflowError) as error:
        return problem(422, "Request validation failed.", [f"billing query: {error}"])
    pod_id = query.get("podId")
    return reply(bill_view(standin.pods.ledger.spans(pod_id), bucket, start, end, now, pod_id))


def _billing_window(
    start: str | None, end: str | None, last_n: str | None, bucket: str, now: datetime
) -> tuple[datetime, datetime]:
    """Borders of the period, widened to whole buckets. KeyError or ValueError for what cannot be read."""
    until = datetime.fromisoformat(end) if end else now
    since = datetime.fromisoformat(start) if start else now - timedelta(days=_DEFAULT_BILLING_DAYS)
    if last_n:
        since = meter.bucket_start(now, bucket)
        for _ in range(int(last_n) - 1):
            since = meter.bucket_start(since - timedelta(microseconds=1), bucket)
        until = now
    last = meter.bucket_start(until, bucket)
    return meter.bucket_start(since, bucket), last if last == until else meter.bucket_end(last, bucket)


async def stream_logs(standin: StandIn, request: Request) -> Response:
    """Backfill, then live lines, until the client hangs up or the pod is deleted."""
    pod_id = request.path_params["id"]
    query = request.query_params
    source = query.get("source")
    if standin.pods.find(pod_id) is None:
        return problem(404, "pod not found")
    tail = query.get("tail", "100")
    if source not in (None, CONTAINER, SYSTEM) or not tail.isdigit() or int(tail) > _LONGEST_TAIL:
        return problem(422, "Request validation failed.", ["source: container or system; tail: 0 to 5000"])
    lines = standin.pods.logbook.lines(pod_id, source)
    resume = request.headers.get("last-event-id") or query.get("since")
    try:
        backfill = _since(lines, resume) if resume else lines[max(0, len(lines) - int(tail)) :]
    except ValueError:
        return problem(422, "Request validation failed.", ["since or Last-Event-ID: not a timestamp"])
    events = _follow(standin, pod_id, source, backfill, {_key(line) for line in lines})
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _since(lines: list[LogLine], resume: str) -> list[LogLine]:
    at_text, _, index = resume.partition("/")
    place = (datetime.fromisoformat(at_text), int(index) if index else _LONGEST_TAIL**4)
    return [line for line in lines if (line.at, line.index) > place]


def _key(line: LogLine) -> tuple[str, int]:
    return line.source, line.index


async def _follow(
    standin: StandIn, pod_id: str, source: str | None, backfill: list[LogLine], seen: set[tuple[str, int]]
) -> AsyncIterator[str]:
    # A comment opens the stream, so that a client knows it is there although nothing was logged yet.
    yield ": log stream\n\n"
    for line in backfill:
        yield line.event()
    while not standin.stopping and standin.pods.find(pod_id) is not None:
        for line in standin.pods.logbook.lines(pod_id, source):
            if _key(line) not in seen:
                seen.add(_key(line))
                yield line.event()
        await asyncio.sleep(_FOLLOW_SECONDS)
