from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from chalicelib.settings import settings

from tests.application import application
from tests.backend.routes.site import Site, opened


class Context:
    """What a Lambda is told about itself."""

    function_name = "test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:test"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The world with the deployed Lambdas in place of their mirrors. Nothing listens at its public address."""
    with opened(monkeypatch) as made:
        monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:9")
        settings.cache_clear()
        handlers = application().handler_map
        lambdas = made.world.machine.lambdas
        for name in list(lambdas):
            lambdas[name] = partial(_invoke, handlers[name])
        yield made


def _invoke(handler: Callable[[Any, Any], Any], event: dict[str, Any]) -> Any:
    return handler(event, Context())
