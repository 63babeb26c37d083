"""A small application with the outline of the real one: routes behind a proxy integration, and step
functions.

Shipped in a package by `sample_package`; runs inside Lambda workers, so it imports the standard library
only at the top.
"""

import base64
import hashlib
import json
import os
import sys
import time
from typing import Any


class NoCapacity(Exception):
    """Raised on demand."""


def _reply(status: int, data: Any) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(data)}


def _token() -> str:
    return "lp_" + hashlib.sha256(os.environ["OWNER_EMAIL"].encode()).hexdigest()[:20]


def _signed_in(event: dict[str, Any]) -> bool:
    headers = {name.lower(): value for name, value in event["headers"].items()}
    return headers.get("authorization", "").removeprefix("Bearer ") in ("session", _token())


def _echo(event: dict[str, Any]) -> dict[str, Any]:
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    return {
        "statusCode": 201,
        "headers": {
            "Content-Type": "application/octet-stream",
            "X-Seen-Query": json.dumps(event["queryStringParameters"]),
        },
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }


def api(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Routes of the sample."""
    route = event["httpMethod"] + " " + event["path"]
    if route == "GET /api/health":
        return _reply(200, {"success": True, "data": {"path": sys.path, "executable": sys.executable}})
    if route == "POST /api/session":
        return _reply(200, {"success": True, "data": {"access_token": "session"}})
    if route == "POST /api/tokens":
        return _reply(201, {"success": True, "data": {"token": _token()}})
    if route == "GET /api/me":
        return _reply(200 if _signed_in(event) else 401, {"success": True, "data": {}})
    if route == "POST /api/echo":
        return _echo(event)
    if route == "GET /api/environment":
        return _reply(200, {"success": True, "data": dict(os.environ)})
    return _reply(404, {"error": route, "code": "not_found", "details": event.get("pathParameters")})


def step(event: dict[str, Any], context: Any) -> Any:
    """A task of a state machine: does what its event says."""
    what = event.get("do")
    if what == "raise":
        raise NoCapacity("there is none")
    if what == "import":
        return __import__(event["module"]).__name__
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "exit":
        sys.exit(3)
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "folder": os.environ["LAMBDA_TASK_ROOT"],
        "path": sys.path,
    }
