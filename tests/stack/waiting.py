"""The one way tests of the stack wait: for a condition, never for time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.25


def wait_until(read: Callable[[], T | None], what: str, timeout_seconds: float = 120.0) -> T:
    """The first value of `read` that is true; fails the test, naming `what`, when there is none in time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = read()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Not in {timeout_seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)
