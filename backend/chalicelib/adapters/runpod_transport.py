"""Calls to RunPod's REST v2: one key, explicit timeouts, repeats only where a repeat cannot rent twice."""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from chalicelib.adapters import runpod_errors
from chalicelib.domain.errors import (
    ProviderError,
    ProviderReplyLost,
    ProviderThrottled,
    ProviderUnavailable,
)

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
CREATE_SECONDS = 60.0

# The request never left: nothing can have been rented.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a call that is safe to repeat is repeated. Durations in seconds."""

    attempts: int = 3
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 8.0
    longest_retry_after_seconds: float = 10.0

    def pause_seconds(self, failures: int, jitter: float) -> float:
        """Exponential backoff with half of it random, `jitter` in [0, 1)."""
        pause = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** (failures - 1))
        return pause * (0.5 + jitter / 2)


@dataclass(frozen=True, slots=True)
class Transport:
    """Sends requests for `RunpodCloud`. `sleep` and `random` are arguments so that tests need no time."""

    base_url: str
    api_key: str
    user_agent: str
    http: httpx.Client
    sleep: Callable[[float], None]
    random: Callable[[], float]
    patience: Patience = Patience()
    read_seconds: float = READ_SECONDS

    def __repr__(self) -> str:
        return f"Transport({self.base_url})"

    def read(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        """GET, repeated a few times. The reply is a 2xx or a 404; everything else raises a ProviderError."""
        return self._repeated("GET", path, params)

    def remove(self, path: str) -> httpx.Response:
        """DELETE, repeated a few times: deleting twice is deleting once. A 2xx or a 404."""
        return self._repeated("DELETE", path, None)

    def create(self, path: str, body: bytes) -> httpx.Response:
        """POST, exactly once. Raises ProviderReplyLost whenever the effect may exist."""
        try:
            reply = self._send("POST", path, None, body, CREATE_SECONDS)
        except _NOT_SENT as error:
            raise ProviderUnavailable(
                f"RunPod cannot be reached at {self.base_url} ({type(error).__name__}); nothing was rented."
            ) from error
        except httpx.RequestError as error:
            raise ProviderReplyLost(
                f"The connection to RunPod broke during create ({type(error).__name__}). "
                "A pod may exist and cost money: look for it by name before anything else."
            ) from error
        if not reply.is_success:
            raise runpod_errors.of_create(reply, retry_after_seconds(reply))
        return reply

    def stream(self, path: str, params: Mapping[str, str], idle_seconds: float) -> Any:
        """A context manager over a reply whose body is read as it comes; raises when silent for too long."""
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, read=idle_seconds)
        return self.http.stream(
            "GET", self._url(path), params=params, headers=self._headers(), timeout=timeout
        )

    def _repeated(self, method: str, path: str, params: Mapping[str, str] | None) -> httpx.Response:
        failures = 0
        while True:
            outcome = self._tried(method, path, params)
            if isinstance(outcome, httpx.Response):
                return outcome
            failures += 1
            pause = self._pause_seconds(outcome, failures)
            if pause is None:
                raise outcome
            self.sleep(pause)

    def _tried(
        self, method: str, path: str, params: Mapping[str, str] | None
    ) -> httpx.Response | ProviderError:
        try:
            reply = self._send(method, path, params, None, self.read_seconds)
        except httpx.RequestError as error:
            return ProviderUnavailable(
                f"RunPod did not answer {method} {path} ({type(error).__name__}). Try again later."
            )
        if reply.is_success or runpod_errors.says_gone(reply):
            return reply
        return runpod_errors.of_repeatable(reply, f"{method} {path}", retry_after_seconds(reply))

    def _pause_seconds(self, error: ProviderError, failures: int) -> float | None:
        """How long to wait before the next try; None: give up now."""
        if failures >= self.patience.attempts:
            return None
        if isinstance(error, ProviderThrottled):
            wait = error.retry_after_seconds
            if wait is not None:
                return wait if wait <= self.patience.longest_retry_after_seconds else None
        elif not isinstance(error, ProviderUnavailable):
            return None
        return self.patience.pause_seconds(failures, self.random())

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        read_seconds: float,
    ) -> httpx.Response:
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.http.request(
            method,
            self._url(path),
            params=params,
            content=body,
            headers=headers,
            timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS),
            follow_redirects=False,
        )

    def _url(self, path: str) -> str:
        return f"{self.base_url}/v2{path}"

    def _headers(self) -> dict[str, str]:
        # RunPod's edge answers 403 to the default User-Agents of HTTP libraries.
        return {
            "Authorization": f"Bearer {self.api_key}",
            "Accept": "application/json",
            "User-Agent": self.user_agent,
        }


def retry_after_seconds(reply: httpx.Response) -> float | None:
    """The Retry-After header: seconds, or a date (RFC 9110, 10.2.3). None when absent or unreadable."""
    text = reply.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
