"""What RunPod does not have: the switchboard of faults, the books, killing pods, changing prices."""

from __future__ import annotations

import json
import signal
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runpod_standin.faults import UnknownFaultError
from runpod_standin.guard import Endpoint, Handler, StandIn
from runpod_standin.records import EXITED, RESTART
from runpod_standin.replies import problem, reply
from runpod_standin.views import ledger_view

_SIGNALS = {"TERM": signal.SIGTERM, "KILL": signal.SIGKILL}


class _BadRequestError(Exception):
    """The text says what is wrong with the body."""


def open_to_local_tools(standin: StandIn, handler: Handler) -> Endpoint:
    """Wraps an admin handler. No key: it is on loopback; but no web page may reach it through a browser."""

    async def endpoint(request: Request) -> Response:
        if "origin" in request.headers:
            return problem(403, "the switchboard does not answer to web pages")
        try:
            return await handler(standin, request)
        except _BadRequestError as error:
            return problem(422, str(error))

    return endpoint


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise _BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _BadRequestError("the body is not a JSON object")
    return body


async def arm_fault(standin: StandIn, request: Request) -> Response:
    body = await _body(request)
    name, count = body.pop("fault", None), body.pop("count", None)
    try:
        fault = standin.faults.arm(str(name), count, body)
    except UnknownFaultError as error:
        raise _BadRequestError(str(error)) from error
    return reply(fault.view(), 201)


async def list_faults(standin: StandIn, _request: Request) -> Response:
    return reply({"faults": [fault.view() for fault in standin.faults.faults]})


async def clear_faults(standin: StandIn, request: Request) -> Response:
    query = request.query_params
    standin.faults.clear(query.get("fault"), query.get("name_contains"))
    return Response(status_code=204)


async def list_books(standin: StandIn, _request: Request) -> Response:
    now = standin.now()
    return reply({"pods": [ledger_view(standin.pods, record, now) for record in standin.pods.by_id.values()]})


async def kill_pod(standin: StandIn, request: Request) -> Response:
    """`exit` true: like a spot reclaim, the pod becomes EXITED; false: the container is started again."""
    body = await _body(request)
    record = standin.pods.find(request.path_params["id"])
    if record is None:
        return problem(404, "pod not found")
    number = _SIGNALS.get(body.get("signal", "TERM"))
    is_exit = body.get("exit", True)
    if number is None or not isinstance(is_exit, bool):
        raise _BadRequestError('send {"signal": "TERM" or "KILL", "exit": true or false}')
    if not record.is_live:
        return problem(409, f"pod is {record.status}")
    standin.pods.kill(record, number, EXITED if is_exit else RESTART)
    return reply(ledger_view(standin.pods, record, standin.now()))


async def change_prices(standin: StandIn, request: Request) -> Response:
    """Multiplies prices, of one GPU type or of all; running pods are billed the new price from now on."""
    body = await _body(request)
    try:
        factor = Decimal(str(body.get("factor")))
    except InvalidOperation as error:
        raise _BadRequestError("factor is a number above 0") from error
    if not factor.is_finite() or factor <= 0:
        raise _BadRequestError("factor is a number above 0")
    wanted = body.get("gpu_id")
    if wanted is not None and wanted not in standin.pods.kinds:
        raise _BadRequestError(f"unknown GPU type {wanted!r}")
    chosen = [wanted] if wanted is not None else list(standin.pods.kinds)
    for gpu_id in chosen:
        standin.pods.change_price(gpu_id, factor)
    factors = {gpu_id: float(standin.pods.ledger.price_factor(gpu_id)) for gpu_id in chosen}
    return reply({"factors": factors})
