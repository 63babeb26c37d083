"""`/v2/pods`: create, list, get, delete, act."""

from __future__ import annotations

import base64
import json
import signal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runpod_standin import create_rules
from runpod_standin.guard import StandIn
from runpod_standin.records import EXITED, RESTART, TERMINATED, PodRecord
from runpod_standin.replies import problem, reply
from runpod_standin.views import LEGAL_ACTIONS, pod_view

_LONGEST_PAGE = 1000
_GONE = "pod not found"


async def create_pod(standin: StandIn, request: Request) -> Response:
    raw = await request.body()
    body = _parsed(raw)
    refusal = create_rules.broken_rule(body, len(raw))
    if refusal is not None:
        return refusal
    center = create_rules.place(body, standin.pods.kinds, standin.faults)
    if isinstance(center, Response):
        return center
    record = standin.pods.create(body, center)
    lag = standin.faults.take("list_lag_new", record.facts)
    if lag is not None:
        record.hidden_list_calls = int(lag.number("calls"))
        standin.pods.save(record)
    return reply(pod_view(standin.pods, record, standin.now()), 201)


async def list_pods(standin: StandIn, request: Request) -> Response:
    """Pages by creation order. A query parameter that means nothing is ignored, as RunPod does."""
    shown = [view for record in list(standin.pods.by_id.values()) if (view := _listed(standin, record))]
    limit = _number(request.query_params.get("limit"), _LONGEST_PAGE)
    start = _cursor_offset(request.query_params.get("cursor"))
    if limit is None or not 1 <= limit <= _LONGEST_PAGE or start is None:
        return problem(
            422, "Request validation failed.", [f"limit: 1 to {_LONGEST_PAGE}, or a broken cursor"]
        )
    rest = [(sequence, view) for sequence, view in shown if sequence > start]
    page = rest[:limit]
    more = len(rest) > len(page)
    cursor = base64.urlsafe_b64encode(str(page[-1][0]).encode()).decode() if more else None
    return reply(
        {"pods": [view for _, view in page], "pagination": {"nextCursor": cursor, "hasNextPage": more}}
    )


async def get_pod(standin: StandIn, request: Request) -> Response:
    record = standin.pods.find(request.path_params["id"])
    if record is None:
        return problem(404, _GONE)
    return reply(pod_view(standin.pods, record, standin.now()))


async def delete_pod(standin: StandIn, request: Request) -> Response:
    record = standin.pods.find(request.path_params["id"])
    if record is None:
        return problem(404, _GONE)
    if not standin.faults.take("delete_ignored", record.facts):
        _terminate(standin, record)
    return Response(status_code=204)


async def act_on_pod(standin: StandIn, request: Request) -> Response:
    record = standin.pods.find(request.path_params["id"])
    if record is None:
        return problem(404, _GONE)
    body = _parsed(await request.body())
    action = body.get("action") if isinstance(body, dict) else None
    if action not in ("start", "stop", "restart", "terminate") or set(body) != {"action"}:
        return problem(422, "Request validation failed.", ["action: one of start, stop, restart, terminate"])
    if action not in LEGAL_ACTIONS[record.status]:
        return problem(409, f"cannot {action} a pod that is {record.status}")
    if action == "terminate":
        _terminate(standin, record)
        return Response(status_code=204)
    _apply(standin, record, action)
    return reply(pod_view(standin.pods, record, standin.now()))


def _apply(standin: StandIn, record: PodRecord, action: str) -> None:
    if action == "stop":
        standin.pods.end(record, EXITED)
    elif action == "start":
        standin.pods.start_again(record)
    else:
        standin.pods.kill(record, signal.SIGTERM, RESTART)


def _terminate(standin: StandIn, record: PodRecord) -> None:
    lag = standin.faults.take("list_lag_deleted", record.facts)
    if lag is not None:
        record.ghost_list_calls = int(lag.number("calls"))
        record.ghost_status = record.status
    standin.pods.end(record, TERMINATED)


def _listed(standin: StandIn, record: PodRecord) -> tuple[int, dict[str, Any]] | None:
    """The pod's place and view in a listing, which may lag: new pods missing, deleted ones still there."""
    now = standin.now()
    if record.hidden_list_calls:
        record.hidden_list_calls -= 1
        standin.pods.save(record)
        return None
    if record.status != TERMINATED:
        return record.sequence, pod_view(standin.pods, record, now)
    if record.ghost_list_calls:
        record.ghost_list_calls -= 1
        standin.pods.save(record)
        return record.sequence, pod_view(standin.pods, record, now, ghost_status=record.ghost_status)
    return None


def _parsed(raw: bytes) -> Any:
    """The JSON of a body; None when it is none, which no rule accepts."""
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _number(text: str | None, default: int) -> int | None:
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() else None


def _cursor_offset(cursor: str | None) -> int | None:
    if not cursor:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except ValueError:
        return None
