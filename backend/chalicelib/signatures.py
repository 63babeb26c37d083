"""Standard Webhooks signatures (standardwebhooks.com): `v1,` + base64 HMAC-SHA256 of `{id}.{timestamp}.{body}`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from chalicelib.domain.errors import NotSignedIn

TOLERANCE_SECONDS = 300


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    message = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """NotSignedIn when a header is missing, the time is off by more than 300 s, or no signature fits."""
    message_id = headers.get("webhook-id", "")
    stamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    details = {"server_time": now.isoformat()}
    if not message_id or not given or not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        raise NotSignedIn("The webhook headers are missing or cannot be read.", details)
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise NotSignedIn("The webhook's time is more than 300 s off; set the clock and sign again.", details)
    expected = sign(secret, message_id, int(stamp), body).encode()
    if not any(hmac.compare_digest(expected, each.encode("utf-8", "replace")) for each in given.split(" ")):
        raise NotSignedIn("The webhook's signature does not fit.", details)
