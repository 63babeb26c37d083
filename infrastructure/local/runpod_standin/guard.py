"""What every call passes before and after its handler: the edge, the key, the quota, and armed faults."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from runpod_standin.faults import Switchboard
from runpod_standin.keeper import Keeper
from runpod_standin.pods import Pods
from runpod_standin.records import PodRecord, utc_now
from runpod_standin.replies import SOMETHING_WENT_WRONG, NoReply, edge_refusal, problem, server_error_page
from runpod_standin.settings import Settings


@dataclass(slots=True)
class StandIn:
    """The parts of a running stand-in that handlers use."""

    settings: Settings
    pods: Pods
    keeper: Keeper
    faults: Switchboard
    calls: int = 0
    stopping: bool = False
    now: Callable[[], datetime] = utc_now


Handler = Callable[[StandIn, Request], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]

# Windows of RunPod's documented example (q per w seconds), wide enough never to bind: throttling is a fault.
_QUOTAS = (("minute", 6000, 60), ("hour", 300000, 3600), ("day", 5000000, 86400))


def guarded(standin: StandIn, operation: str, handler: Handler) -> Endpoint:
    """Wraps a handler of the public API.

    `operation`, as faults select it: create, get, list, delete, action, logs, catalogue or billing.
    """

    async def endpoint(request: Request) -> Response:
        standin.calls += 1
        facts = {"operation": operation, **await _pod_meant(standin, request, operation)}
        refusal = _at_the_edge(standin, request, facts) or _by_key(standin, request, operation)
        response = refusal or _before(standin, facts) or await handler(standin, request)
        if response.status_code < 400 and refusal is None and not isinstance(response, NoReply):
            response = _after(standin, facts) or response
        return _with_headers(standin, response)

    return endpoint


async def _pod_meant(standin: StandIn, request: Request, operation: str) -> dict[str, str]:
    """By what a fault can be meant for the pod of this call: the one that exists, or the name of a wanted one."""
    record = standin.pods.by_id.get(request.path_params.get("id", ""))
    if record is not None:
        return record.facts
    if operation != "create":
        return {}
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return {"name": str(body["name"])} if isinstance(body, dict) and "name" in body else {}


def _at_the_edge(standin: StandIn, request: Request, facts: dict[str, str]) -> Response | None:
    agent = request.headers.get("user-agent", "")
    if not agent or agent.startswith("Python-urllib") or standin.faults.take("edge_403_1010", facts):
        return edge_refusal()
    if standin.faults.take("key_401", facts):
        return problem(401, "invalid bearer token")
    return None


def _by_key(standin: StandIn, request: Request, operation: str) -> Response | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return problem(401, "missing bearer token")
    if secrets.compare_digest(token.encode(), standin.settings.api_key.encode()):
        return None
    owner = standin.pods.owner_of(token) if token.isascii() else None
    if owner is None:
        return problem(401, "invalid bearer token")
    return _by_pod_key(standin, owner, request.path_params.get("id"), operation)


def _by_pod_key(standin: StandIn, owner: PodRecord, pod_id: str | None, operation: str) -> Response | None:
    """A pod's own key may delete that pod and nothing else."""
    allowed = operation == "delete" and pod_id == owner.id
    if not allowed or standin.faults.take("self_delete_refused", owner.facts):
        return problem(403, "access denied")
    return None


def _before(standin: StandIn, facts: dict[str, str]) -> Response | None:
    faults = standin.faults
    throttle = faults.take("throttle_429", facts)
    if throttle is not None:
        wait = str(int(throttle.number("retry_after_seconds")))
        return problem(429, "rate limit exceeded", headers={"Retry-After": wait})
    if faults.take("drop_before", facts):
        return NoReply()
    hang = faults.take("timeout_hang", facts)
    if hang is not None:
        return NoReply(hang.number("seconds"))
    own = {"list": "list_500", "get": "get_500", "delete": "delete_500"}.get(facts["operation"])
    if faults.take("error_500_before", facts) or (own and faults.take(own, facts)):
        return server_error_page()
    return None


def _after(standin: StandIn, facts: dict[str, str]) -> Response | None:
    if standin.faults.take("drop_reply", facts):
        return NoReply()
    if standin.faults.take("error_500_after", facts):
        return problem(500, SOMETHING_WENT_WRONG)
    return None


def _with_headers(standin: StandIn, response: Response) -> Response:
    response.headers["x-request-id"] = secrets.token_hex(8)
    quotas = [(name, quota, window) for name, quota, window in _QUOTAS]
    response.headers["RateLimit"] = ", ".join(
        f'"{name}";r={max(0, quota - standin.calls % quota)};t={window}' for name, quota, window in quotas
    )
    response.headers["RateLimit-Policy"] = ", ".join(
        f'"{name}";q={quota};w={window}' for name, quota, window in quotas
    )
    return response
