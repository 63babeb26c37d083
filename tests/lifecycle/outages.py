"""The database away for a while, for one kind of call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from chalicelib.domain.errors import ServiceUnavailable


@contextmanager
def away(store: object, method: str) -> Iterator[None]:
    """Every call of the method fails before it does anything, inside the block."""

    def refuse(*_: object, **__: object) -> None:
        raise ServiceUnavailable("The database did not answer.")

    with pytest.MonkeyPatch.context() as outage:
        outage.setattr(store, method, refuse)
        yield
