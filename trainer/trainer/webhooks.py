"""Signed calls to the control plane (Standard Webhooks signatures: HMAC-SHA256 over id.timestamp.body)."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import logging
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from trainer import __version__
from trainer.errors import SupersededError

log = logging.getLogger(__name__)

# Below this a difference is network delay rather than a wrong clock.
CLOCK_TOLERANCE_SECONDS = 5.0


class UnavailableError(Exception):
    """The control plane did not answer usefully; the same call may work later."""


class RefusedError(Exception):
    """The control plane understood the call and refused it; repeating it will not help."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class ControlPlane:
    """The three webhook routes of one job. Safe to use from several threads."""

    def __init__(self, api_url: str, job_id: str, secret: bytes, client: httpx.Client) -> None:
        self._base = f"{api_url}/webhooks/pods/{job_id}"
        self._secret = secret
        self._client = client
        self._offset_seconds = 0.0

    def now(self) -> datetime:
        """The control plane's idea of the time, as far as its replies told."""
        return datetime.fromtimestamp(time.time() + self._offset_seconds, UTC)

    def call(self, route: str, body: dict[str, Any], timeout_seconds: float = 15.0) -> dict[str, Any]:
        """POST one signed body and return the reply's data.

        A refused signature is retried once with the clock the reply states. Raises SupersededError (409
        `stale_attempt`), RefusedError (other 4xx) or UnavailableError (no answer, 5xx, 429, or a signature refused twice).
        """
        payload = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        for _ in range(2):
            response = self._post(route, payload, timeout_seconds)
            self._learn_time(response)
            if response.status_code != 401:
                return _read(response)
            log.warning("signature refused on %s; clock offset is now %.1f s", route, self._offset_seconds)
        raise UnavailableError(f"{route}: the signature was refused twice")

    def _post(self, route: str, payload: bytes, timeout_seconds: float) -> httpx.Response:
        # A fresh id and signature per try: the old timestamp may have left the server's tolerance meanwhile.
        message_id = f"msg_{uuid.uuid4().hex}"
        timestamp = str(int(time.time() + self._offset_seconds))
        signed = f"{message_id}.{timestamp}.".encode() + payload
        signature = base64.b64encode(hmac.new(self._secret, signed, hashlib.sha256).digest()).decode()
        headers = {
            "content-type": "application/json",
            "user-agent": f"lora-pipeline-trainer/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }
        try:
            timeout = httpx.Timeout(timeout_seconds, connect=min(5.0, timeout_seconds))
            return self._client.post(
                f"{self._base}/{route}", content=payload, headers=headers, timeout=timeout
            )
        except httpx.HTTPError as error:
            raise UnavailableError(f"{route}: {type(error).__name__}: {error}") from error

    def _learn_time(self, response: httpx.Response) -> None:
        stated = _stated_time(response)
        if stated is None:
            return
        offset = stated - time.time()
        if abs(offset - self._offset_seconds) > CLOCK_TOLERANCE_SECONDS:
            self._offset_seconds = offset


def _read(response: httpx.Response) -> dict[str, Any]:
    content = _json(response)
    if response.status_code < 300 and isinstance(content.get("data"), dict):
        data: dict[str, Any] = content["data"]
        return data
    message = str(content.get("error") or content.get("details") or response.text[:200])
    if response.status_code == 409 and content.get("code") == "stale_attempt":
        raise SupersededError(message)
    if response.status_code == 409:
        # Somebody else wrote first: the same call may succeed in a moment.
        raise UnavailableError(f"status 409: {message}")
    if 400 <= response.status_code < 500 and response.status_code not in (408, 425, 429):
        raise RefusedError(response.status_code, str(content.get("code", "")), message)
    raise UnavailableError(f"status {response.status_code}: {message}")


def _stated_time(response: httpx.Response) -> float | None:
    """The server's clock from the reply, or from the Date header where the reply does not state it."""
    content = _json(response)
    for part in (content.get("data"), content.get("details"), content):
        if isinstance(part, dict) and isinstance(part.get("server_time"), str):
            try:
                return datetime.fromisoformat(part["server_time"]).timestamp()
            except ValueError:
                continue
    if response.status_code == 401 and "date" in response.headers:
        try:
            return email.utils.parsedate_to_datetime(response.headers["date"]).timestamp()
        except ValueError:
            return None
    return None


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
