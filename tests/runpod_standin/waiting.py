"""The one way these tests wait: on a condition, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, timeout_seconds: float = 20.0) -> T:
    """Returns the first true value of `condition`. AssertionError with `what` when there is none in time."""
    until = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"waited {timeout_seconds} s in vain until {what}"
        time.sleep(0.02)
