"""A transport that answers by a function, for rows that only a real provider could produce at will."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from chalicelib.adapters.runpod import RunpodCloud

Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Line:
    """A cloud whose server answers by a function; counts calls and pauses."""

    answer: Answer
    calls: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def cloud(self) -> RunpodCloud:
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        return RunpodCloud(
            "https://api.runpod.io", "key", http=http, sleep=self.pauses.append, jitter=lambda: 0.0
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        return self.answer(request)


def problem(status: int, detail: str, **more: object) -> httpx.Response:
    body = {"title": "x", "status": status, "detail": detail, **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def failing(error: type[httpx.RequestError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    return answer
