"""Where RunPod is called: a host root that may be trusted with the account key."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def checked_base_url(base_url: str) -> str:
    """The host root without a trailing slash.

    Raises ValueError for plain HTTP to another machine, which would leak the key.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"{base_url!r} would send the account key unencrypted. Use https://, or http:// with 127.0.0.1."
        )
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{base_url!r} is no host root like https://api.runpod.io")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
