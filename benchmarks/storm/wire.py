"""Signed calls to the control plane and transfers to storage, with the standard library alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

CALL_SECONDS = 30.0
TRANSFER_SECONDS = 60.0


class GoneError(Exception):
    """Another attempt owns the job: say nothing more."""


class FailedError(Exception):
    """A call was not answered usefully; the same call may work later."""


class Wire:
    """The webhook routes of one job, over one connection that is opened again when it breaks."""

    def __init__(self, job: Mapping[str, Any], secret: bytes) -> None:
        self._url = urllib.parse.urlsplit(job["api_url"])
        self._path = f"{self._url.path}/webhooks/pods/{job['job_id']}"
        self._secret = secret
        self._connection: http.client.HTTPConnection | None = None

    def call(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The reply's data. GoneError when this attempt is over, FailedError for anything else that is no success."""
        payload = json.dumps(body, separators=(",", ":")).encode()
        status, content = self._exchange(f"{self._path}/{route}", payload, self._headers(payload))
        reply = _json(content)
        if status < 300 and isinstance(reply.get("data"), dict):
            found: dict[str, Any] = reply["data"]
            return found
        if status == 409 and reply.get("code") == "stale_attempt":
            raise GoneError(str(reply.get("error")))
        raise FailedError(f"{route}: {status} {content[:200]!r}")

    def _headers(self, payload: bytes) -> dict[str, str]:
        """Standard Webhooks: HMAC-SHA256 over id.timestamp.body."""
        stamp, name = str(int(time.time())), f"msg_{uuid.uuid4().hex}"
        digest = hmac.new(self._secret, f"{name}.{stamp}.".encode() + payload, hashlib.sha256).digest()
        return {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        }

    def _exchange(self, path: str, payload: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Once more on a new connection when a kept one broke: the other side closes idle ones."""
        for kept in (self._connection is not None, False):
            try:
                if self._connection is None:
                    self._connection = _connection(self._url, CALL_SECONDS)
                self._connection.request("POST", path, payload, headers)
                reply = self._connection.getresponse()
                return reply.status, reply.read()
            except (OSError, http.client.HTTPException) as error:
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                if not kept or isinstance(error, TimeoutError):
                    raise FailedError(f"{path}: {error!r}") from error
        raise AssertionError("the second connection is never a kept one")


def put(link: Mapping[str, Any], body: bytes) -> None:
    """One file to storage. FailedError when it was not taken."""
    url = urllib.parse.urlsplit(link["url"])
    connection = _connection(url, TRANSFER_SECONDS)
    try:
        connection.request("PUT", f"{url.path}?{url.query}", body, dict(link["headers"]))
        reply = connection.getresponse()
        content = reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise FailedError(f"PUT: {error!r}") from error
    finally:
        connection.close()
    if reply.status >= 300:
        raise FailedError(f"PUT: {reply.status} {content[:200]!r}")


def _connection(url: urllib.parse.SplitResult, timeout_seconds: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname or "", url.port, timeout=timeout_seconds)


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
