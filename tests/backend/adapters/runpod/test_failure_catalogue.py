"""Every refusal RunPod is known to give, and the error the rest of the product sees."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from chalicelib.adapters.runpod import RunpodCloud
from chalicelib.domain.errors import (
    NoCapacity,
    ProviderAccessDenied,
    ProviderBalanceTooLow,
    ProviderError,
    ProviderKeyRefused,
    ProviderRefusedRequest,
    ProviderReplyLost,
    ProviderThrottled,
    ProviderUnavailable,
)
from chalicelib.domain.gpu import PodRequest, Tier

from tests.backend.adapters.runpod.wire import Line, failing, problem

REQUEST = PodRequest("name-1", "registry.example/t:1", "NVIDIA L40S", 1, Tier.ON_DEMAND, {})
PAGE = "<html><body>502 Bad Gateway</body></html>"

NO_INSTANCES = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
NO_RESOURCES = "This machine does not have the resources to deploy your pod. Please try a different machine"
NO_SPOT = (
    "There are no longer any instances available with the request specifications. Please try again later."
)
BALANCE = "Your account balance is too low to rent a pod. Please add funds to your account."

CREATE_ROWS: list[tuple[str, httpx.Response, type[ProviderError]]] = [
    ("no instances left", problem(400, NO_INSTANCES), NoCapacity),
    ("no instances left, told as 500", problem(500, NO_INSTANCES), NoCapacity),
    ("machine too small", problem(400, NO_RESOURCES), NoCapacity),
    ("machine too small, told as 500", problem(500, NO_RESOURCES), NoCapacity),
    ("none currently", problem(400, "There are no instances currently available"), NoCapacity),
    ("no spot left", problem(400, NO_SPOT), NoCapacity),
    ("no instances, in the older shape", httpx.Response(500, json={"error": NO_INSTANCES}), NoCapacity),
    ("some other 400", problem(400, "networkVolume is not in this data center"), NoCapacity),
    ("unknown field", problem(422, "invalid", errors=["additional properties 'X' not allowed"]),
     ProviderRefusedRequest),
    ("image not found", problem(422, "invalid", errors=["image not found in the registry"]),
     ProviderRefusedRequest),
    ("body too large", problem(413, "request body too large"), ProviderRefusedRequest),
    ("template unknown", problem(404, "template not found"), ProviderRefusedRequest),
    ("method gone", problem(410, "this API version is retired"), ProviderRefusedRequest),
    ("redirected elsewhere", httpx.Response(302, headers={"location": "/"}), ProviderRefusedRequest),
    ("no funds", problem(402, BALANCE), ProviderBalanceTooLow),
    ("no funds, told as 500", httpx.Response(500, json={"error": BALANCE}), ProviderBalanceTooLow),
    ("spend limit", problem(400, "hourly spend limit of $80 exceeded"), ProviderBalanceTooLow),
    ("wrong key", problem(401, "invalid bearer token"), ProviderKeyRefused),
    ("scope missing", problem(403, "token lacks scope pods:write"), ProviderKeyRefused),
    ("pool not allowed", problem(403, "access denied"), ProviderAccessDenied),
    ("no user agent", httpx.Response(403, text="error code: 1010"), ProviderRefusedRequest),
    ("too many calls", problem(429, "rate limit exceeded"), ProviderThrottled),
    ("server error page", httpx.Response(500, text=PAGE), ProviderReplyLost),
    ("bad gateway", httpx.Response(502, text=PAGE), ProviderReplyLost),
    ("proxy timed out", httpx.Response(524, text="error code: 524"), ProviderReplyLost),
    ("request timeout", httpx.Response(408), ProviderReplyLost),
    ("something went wrong", problem(500, "Something went wrong. Please try again later or contact support."),
     ProviderReplyLost),
    ("accepted with a page", httpx.Response(201, text=PAGE), ProviderReplyLost),
    ("accepted without an id", httpx.Response(201, json={"name": "name-1"}), ProviderReplyLost),
    ("accepted with an empty body", httpx.Response(200), ProviderReplyLost),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "expected"), [row[1:] for row in CREATE_ROWS], ids=[r[0] for r in CREATE_ROWS]
)
def test_a_create_that_fails_is_sent_once_and_raises(reply: httpx.Response, expected: type) -> None:
    line = Line(lambda _: reply)
    with pytest.raises(ProviderError) as caught:
        line.cloud().create(REQUEST)
    assert type(caught.value) is expected
    assert len(line.calls) == 1
    assert line.pauses == []


@pytest.mark.parametrize(
    "error",
    [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError,
     httpx.CloseError, httpx.DecodingError],
)  # fmt: skip
def test_a_create_whose_connection_breaks_may_have_rented_a_pod(error: type[httpx.RequestError]) -> None:
    line = Line(failing(error))
    with pytest.raises(ProviderReplyLost, match="look for it by name"):
        line.cloud().create(REQUEST)
    assert len(line.calls) == 1


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_a_create_that_never_left_rented_nothing(error: type[httpx.RequestError]) -> None:
    line = Line(failing(error))
    with pytest.raises(ProviderUnavailable, match="nothing was rented"):
        line.cloud().create(REQUEST)
    assert len(line.calls) == 1


def test_a_known_lack_of_capacity_is_told_apart_from_an_unknown_400() -> None:
    def recognised(text: str) -> bool:
        with pytest.raises(NoCapacity) as caught:
            Line(lambda _: problem(400, text)).cloud().create(REQUEST)
        return bool(caught.value.details["recognised"])

    assert recognised(NO_INSTANCES)
    assert not recognised("minCudaVersion and allowedCudaVersions are mutually exclusive")


def test_the_message_of_a_refusal_quotes_every_error_but_never_the_key() -> None:
    reply = problem(422, "Request validation failed.", errors=["gpu.count: too many", "disk: too small"])
    with pytest.raises(ProviderRefusedRequest) as caught:
        Line(lambda _: reply).cloud().create(REQUEST)
    assert "gpu.count: too many; disk: too small" in caught.value.message
    assert "Bearer" not in caught.value.message


@pytest.mark.parametrize(("header", "seconds"), [("12", 12.0), ("", None), ("soon", None)])
def test_a_throttled_create_hands_on_the_wait_it_was_asked_for(header: str, seconds: float | None) -> None:
    reply = problem(429, "rate limit exceeded")
    reply.headers["retry-after"] = header
    line = Line(lambda _: reply)
    with pytest.raises(ProviderThrottled) as caught:
        line.cloud().create(REQUEST)
    assert caught.value.retry_after_seconds == seconds
    assert line.pauses == []


READ_ROWS: list[tuple[str, httpx.Response, type[ProviderError], int]] = [
    ("wrong key", problem(401, "invalid bearer token"), ProviderKeyRefused, 1),
    ("scope missing", problem(403, "access denied"), ProviderKeyRefused, 1),
    ("no user agent", httpx.Response(403, text="error code: 1010"), ProviderRefusedRequest, 1),
    ("cluster member", problem(409, "pod is a cluster member"), ProviderRefusedRequest, 1),
    ("unprocessable", problem(422, "invalid"), ProviderRefusedRequest, 1),
    ("server error page", httpx.Response(500, text=PAGE), ProviderUnavailable, 3),
    ("bad gateway", httpx.Response(502, text=PAGE), ProviderUnavailable, 3),
    ("request timeout", httpx.Response(408), ProviderUnavailable, 3),
    ("somebody else's 404 page", httpx.Response(404, text="<h1>not here</h1>"), ProviderUnavailable, 3),
    ("too many calls", problem(429, "rate limit exceeded"), ProviderThrottled, 3),
]
CALLS: dict[str, Callable[[RunpodCloud], object]] = {
    "get": lambda cloud: cloud.get("p1"),
    "list": lambda cloud: cloud.list("name"),
    "delete": lambda cloud: cloud.delete("p1"),
    "catalogue": lambda cloud: cloud.catalogue(),
    "billing": lambda cloud: cloud.billing("p1"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("reply", "expected", "tries"), [row[1:] for row in READ_ROWS], ids=[row[0] for row in READ_ROWS]
)
def test_a_repeatable_call_is_repeated_a_bounded_number_of_times_and_raises(
    call: str, reply: httpx.Response, expected: type, tries: int
) -> None:
    line = Line(lambda _: reply)
    with pytest.raises(ProviderError) as caught:
        CALLS[call](line.cloud())
    assert type(caught.value) is expected
    assert len(line.calls) == tries
    assert len(line.pauses) == tries - 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_a_repeatable_call_survives_no_more_than_two_broken_connections(
    call: str, error: type[httpx.RequestError]
) -> None:
    line = Line(failing(error))
    with pytest.raises(ProviderUnavailable):
        CALLS[call](line.cloud())
    assert len(line.calls) == 3


def test_pauses_grow_and_stay_within_their_jitter() -> None:
    line = Line(lambda _: httpx.Response(503))
    with pytest.raises(ProviderUnavailable):
        line.cloud().get("p1")
    assert line.pauses == [0.25, 0.5]


def test_a_call_that_recovers_gives_its_answer() -> None:
    replies = iter([httpx.Response(502), httpx.Response(500), httpx.Response(204)])
    line = Line(lambda _: next(replies))
    line.cloud().delete("p1")
    assert len(line.calls) == 3


def test_a_short_retry_after_is_waited_for_exactly() -> None:
    replies = iter(
        [httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(200, json={"id": "p1"})]
    )
    line = Line(lambda _: next(replies))
    pod = line.cloud().get("p1")
    assert pod is not None
    assert line.pauses == [7.0]


def test_a_long_retry_after_is_handed_on_instead_of_slept() -> None:
    line = Line(lambda _: httpx.Response(429, headers={"retry-after": "3600"}))
    with pytest.raises(ProviderThrottled) as caught:
        line.cloud().list("x")
    assert caught.value.retry_after_seconds == 3600
    assert line.pauses == []


@pytest.mark.parametrize(
    "body", [PAGE, "[]", '{"pods": null}', '{"pods": [{"name": "no id"}]}', '{"pods": [], "x": NaN}']
)
def test_an_unreadable_answer_is_no_information(body: str) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be read"):
        Line(lambda _: httpx.Response(200, text=body)).cloud().list("")


def test_logs_never_raise_for_what_the_provider_does() -> None:
    for answer in (lambda _: httpx.Response(500), failing(httpx.ReadTimeout), lambda _: problem(404, "gone")):
        assert Line(answer).cloud().logs("p1") == ()


def test_rows_cover_a_json_body_that_is_not_an_object() -> None:
    with pytest.raises(ProviderReplyLost):
        Line(lambda _: httpx.Response(500, text=json.dumps(["odd"]))).cloud().create(REQUEST)
