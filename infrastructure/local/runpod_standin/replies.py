"""Replies as RunPod's REST v2 gives them: problems, and replies that never arrive."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

NO_INSTANCES = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
BALANCE_TOO_LOW = "Your account balance is too low to rent a pod. Please add funds to your account."
SOMETHING_WENT_WRONG = "Something went wrong. Please try again later or contact support."

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class Connection(Protocol):
    """What the server puts into a request's state: the way to cut its connection."""

    def abort(self) -> None: ...


def reply(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")


def problem(
    status: int, detail: str, errors: list[str] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """RFC 9457 problem, with RunPod's list of `errors` when there are several."""
    body: dict[str, Any] = {"title": _TITLES[status], "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    return Response(json.dumps(body), status, headers=headers, media_type="application/problem+json")


def server_error_page() -> Response:
    """What a crashed gateway answers: no JSON."""
    page = "<html><head><title>500 Internal Server Error</title></head><body>nginx</body></html>"
    return Response(page, 500, media_type="text/html")


def edge_refusal() -> Response:
    """Cloudflare's answer to a client without a User-Agent of its own."""
    return Response("error code: 1010", 403, media_type="text/plain")


class NoReply(Response):
    """Closes the connection without a byte, at once or after `after_seconds` of silence."""

    def __init__(self, after_seconds: float = 0.0) -> None:
        super().__init__()
        self._after_seconds = after_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - nothing is sent
        gone = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait([gone], timeout=self._after_seconds)
        cast(Connection, scope["state"]["connection"]).abort()
        # The server may only see this call return after it has noticed the cut, or it would answer 500.
        await gone


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
