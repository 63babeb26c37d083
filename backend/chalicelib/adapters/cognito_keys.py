"""The user pool's public keys (JWKS), fetched once and again when a token names a key we do not know."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import httpx
import jwt

from chalicelib.domain.errors import ServiceUnavailable

# A forged token can name any key; asking the pool again for each would let anyone make us do so.
LEAST_SECONDS_BETWEEN_FETCHES = 30.0
LONGEST_SECONDS_KEPT = 6 * 3600.0


class PoolKeys:
    """jwks_url: where the pool publishes its keys. now: seconds of a monotonic clock."""

    def __init__(self, jwks_url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = jwks_url
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._lock = threading.Lock()

    def get(self, key_id: str) -> jwt.PyJWK | None:
        """None when the pool has no such key. ServiceUnavailable when it cannot be asked and none is kept."""
        with self._lock:
            if self._should_fetch(key_id):
                self._fetch()
            return self._keys.get(key_id)

    def _should_fetch(self, key_id: str) -> bool:
        if self._fetched_at is None:
            return True
        age = self._now() - self._fetched_at
        if key_id in self._keys:
            return age > LONGEST_SECONDS_KEPT
        return age > LEAST_SECONDS_BETWEEN_FETCHES

    def _fetch(self) -> None:
        try:
            reply = httpx.get(self._url, timeout=httpx.Timeout(5.0, connect=2.0), follow_redirects=False)
            reply.raise_for_status()
            published = jwt.PyJWKSet.from_dict(reply.json())
        except (httpx.HTTPError, jwt.PyJWTError, json.JSONDecodeError, UnicodeDecodeError) as error:
            if not self._keys:
                raise ServiceUnavailable(
                    "Your sign-in cannot be checked right now. Try again in a minute."
                ) from error
            published = None
        self._fetched_at = self._now()
        if published is not None:
            self._keys = {str(key.key_id): key for key in published.keys}
