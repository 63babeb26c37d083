"""What the client sends, and how it reads what it is not sure to get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from chalicelib.adapters.runpod import RunpodCloud
from chalicelib.domain.errors import ProviderRefusedRequest, ProviderUnavailable
from chalicelib.domain.gpu import PodRequest, PodStatus, Tier

from tests.backend.adapters.runpod.wire import Line, problem


def request_with(**changes: Any) -> PodRequest:
    return PodRequest(
        **{
            "name": "n",
            "image": "i@sha256:0",
            "gpu_id": "NVIDIA H100 80GB HBM3",
            "gpu_count": 2,
            "tier": Tier.SPOT,
            "env": {"A": 'quote " and\nnewline'},
            **changes,
        }
    )


def created_body(request: PodRequest) -> dict[str, Any]:
    line = Line(lambda _: httpx.Response(201, json={"id": "p1"}))
    line.cloud().create(request)
    body: dict[str, Any] = json.loads(line.calls[0].content)
    return body


def read_pod(**fields: Any) -> Any:
    return Line(lambda _: httpx.Response(200, json={"id": "p1", **fields})).cloud().get("p1")


def test_a_create_sends_exactly_what_the_document_names() -> None:
    assert created_body(request_with()) == {
        "name": "n",
        "image": "i@sha256:0",
        "cloud": "COMMUNITY",
        "gpu": {"id": "NVIDIA H100 80GB HBM3", "count": 2, "minCudaVersion": "13.0"},
        "disk": 50,
        "env": {"A": 'quote " and\nnewline'},
    }


def test_optional_wishes_are_sent_only_when_there_are_any() -> None:
    body = created_body(
        request_with(
            tier=Tier.ON_DEMAND,
            data_center_ids=("US-KS-2",),
            network_volume_id="vol1",
            min_cuda_version=None,
            args="python -m trainer",
        )
    )
    assert body["cloud"] == "SECURE"
    assert body["dataCenterIds"] == ["US-KS-2"]
    assert body["mounts"] == {"network": [{"volumeId": "vol1", "path": "/workspace"}]}
    assert body["args"] == "python -m trainer"
    assert "minCudaVersion" not in body["gpu"]


def test_a_create_that_runpod_would_call_too_large_is_not_sent() -> None:
    line = Line(lambda _: httpx.Response(201, json={"id": "p1"}))
    with pytest.raises(ProviderRefusedRequest, match="102400"):
        line.cloud().create(request_with(env={"JOB": "ä" * 60_000}))
    assert line.calls == []


def test_every_call_carries_the_key_and_a_user_agent_of_its_own() -> None:
    line = Line(lambda _: problem(404, "gone"))
    line.cloud().get("p1")
    headers = line.calls[0].headers
    assert headers["authorization"] == "Bearer key"
    assert headers["user-agent"].startswith("lora-pipeline/")
    assert line.calls[0].url == "https://api.runpod.io/v2/pods/p1"


def test_create_has_more_time_than_other_calls_and_connecting_has_little() -> None:
    line = Line(lambda _: httpx.Response(201, json={"id": "p1"}))
    line.cloud().create(request_with())
    line.cloud().get("p1")
    create, get = (call.extensions["timeout"] for call in line.calls)
    assert (create["connect"], create["read"]) == (5.0, 60.0)
    assert (get["connect"], get["read"]) == (5.0, 30.0)


@pytest.mark.parametrize(
    "url", ["http://api.runpod.io", "http://10.0.0.1:80", "ftp://api.runpod.io", "api.runpod.io", "https://"]
)
def test_an_address_that_would_leak_the_key_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        RunpodCloud(url, "key")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://localhost:9/", "http://[::1]:9", "https://x.example"]
)
def test_plain_http_is_for_loopback_only(url: str) -> None:
    RunpodCloud(url, "key").close()


def test_an_empty_key_or_user_agent_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="key"):
        RunpodCloud("https://api.runpod.io", " ")
    with pytest.raises(ValueError, match="User-Agent"):
        RunpodCloud("https://api.runpod.io", "key", user_agent="")


def test_a_pod_id_cannot_walk_to_another_path() -> None:
    line = Line(lambda _: problem(404, "gone"))
    line.cloud().get("../billing/pods?x=")
    assert line.calls[0].url.raw_path == b"/v2/pods/..%2Fbilling%2Fpods%3Fx%3D"
    with pytest.raises(ValueError, match="no pod id"):
        line.cloud().delete("")


def test_a_pod_with_nothing_but_an_id_is_readable() -> None:
    pod = read_pod()
    assert pod.status is PodStatus.UNKNOWN
    assert pod.is_billed
    assert (pod.name, pod.gpu_id, pod.tier, pod.uptime_seconds) == ("", None, None, None)
    assert pod.price_usd_per_hour == Decimal(0)


def test_an_unknown_status_or_cloud_or_field_does_not_break_reading() -> None:
    pod = read_pod(status="HIBERNATING", cloud="LUNAR", future={"x": 1})
    assert pod.status is PodStatus.UNKNOWN
    assert pod.tier is None


@pytest.mark.parametrize(("runtime", "uptime"), [(None, None), ({}, None), ({"uptime": 3}, 3)])
def test_runtime_may_be_null_or_empty(runtime: object, uptime: int | None) -> None:
    assert read_pod(status="RUNNING", runtime=runtime).uptime_seconds == uptime


def test_prices_are_exact_decimals_and_times_are_utc() -> None:
    reply = httpx.Response(
        200, text='{"id": "p1", "cost": 0.1, "createdAt": "2026-08-20T08:16:19.436+02:00"}'
    )
    pod = Line(lambda _: reply).cloud().get("p1")
    assert pod is not None
    assert pod.price_usd_per_hour == Decimal("0.1")
    assert pod.created_at == datetime(2026, 8, 20, 6, 16, 19, 436000, UTC)


def test_a_list_follows_the_cursor_to_the_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        if cursor is None:
            page = {"nextCursor": "c2", "hasNextPage": True}
            return httpx.Response(200, json={"pods": [{"id": "1", "name": "a-1"}], "pagination": page})
        assert cursor == "c2"
        pods = [{"id": "2", "name": "b-1"}, {"id": "3", "name": "a-2"}, {"id": "1", "name": "a-1"}]
        return httpx.Response(
            200, json={"pods": pods, "pagination": {"nextCursor": None, "hasNextPage": False}}
        )

    assert [pod.id for pod in Line(answer).cloud().list("a-")] == ["1", "3"]


def test_a_list_without_pagination_is_one_page() -> None:
    assert Line(lambda _: httpx.Response(200, json={"pods": []})).cloud().list("") == ()


def test_a_list_that_fails_on_its_second_page_shows_nothing_at_all() -> None:
    page = {"nextCursor": "c2", "hasNextPage": True}
    first = httpx.Response(200, json={"pods": [{"id": "1", "name": "a"}], "pagination": page})
    line = Line(lambda request: httpx.Response(500) if "cursor" in request.url.params else first)
    with pytest.raises(ProviderUnavailable):
        line.cloud().list("a")


@pytest.mark.parametrize("pagination", [{"hasNextPage": True}, {"nextCursor": "same", "hasNextPage": True}])
def test_a_list_that_cannot_be_followed_to_its_end_raises(pagination: dict[str, object]) -> None:
    reply = httpx.Response(200, json={"pods": [], "pagination": pagination})
    with pytest.raises(ProviderUnavailable):
        Line(lambda _: reply).cloud().list("")


def test_a_collection_that_is_not_found_means_the_wrong_address() -> None:
    with pytest.raises(ProviderUnavailable, match="RUNPOD_API_BASE_URL"):
        Line(lambda _: problem(404, "no such route")).cloud().list("")


def test_the_bill_sums_only_records_of_that_pod() -> None:
    text = (
        '{"records": [{"podId": "p1", "totalAmount": 0.1}, {"podId": "p2", "totalAmount": 9},'
        ' {"podId": "p1", "totalAmount": 0.2}]}'
    )
    bill = Line(lambda _: httpx.Response(200, text=text)).cloud().billing("p1")
    assert bill is not None
    assert bill.total_usd == Decimal("0.3")


def test_no_billing_records_yet_is_not_a_bill_of_zero() -> None:
    assert Line(lambda _: httpx.Response(200, json={"records": []})).cloud().billing("p1") is None


def test_a_billing_record_without_its_amount_is_not_taken_for_free() -> None:
    reply = httpx.Response(200, json={"records": [{"podId": "p1"}]})
    with pytest.raises(ProviderUnavailable, match="totalAmount"):
        Line(lambda _: reply).cloud().billing("p1")


def test_the_catalogue_takes_the_better_stock_of_both_clouds() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        assert params["product"] == "POD"
        secure = params["cloud"] == "SECURE"
        facts = {
            "id": "G",
            "memory": 24,
            "secure": True,
            "community": True,
            "price": {"secure": 0.5, "community": 0.25},
            "maxCount": {"secure": 8, "community": 2},
            "availability": "LOW" if secure else "HIGH",
            "dataCenters": [{"id": "A" if secure else "B", "availability": "LOW"}],
        }
        return httpx.Response(200, json={"gpus": [facts]})

    (offer,) = Line(answer).cloud().catalogue()
    assert offer.availability == "HIGH"
    assert offer.data_center_ids == ("A", "B")
    assert offer.max_count == {Tier.SPOT: 2, Tier.ON_DEMAND: 8}


def test_log_events_are_read_until_the_wanted_number() -> None:
    events = "".join(
        f'id: x\ndata: {{"source": "container", "line": "l{number}", "ts": "t"}}\n\n' for number in range(9)
    )
    body = ": open\n\ndata: not json\n\n" + events
    line = Line(lambda _: httpx.Response(200, text=body))
    assert line.cloud().logs("p1", tail=2) == ("[container] l0", "[container] l1")
    assert line.calls[0].url.params["tail"] == "2"
