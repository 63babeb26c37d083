"""The stand-in answers as RunPod's REST v2 does, to clients that are not ours too."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import httpx
import pytest

from tests.runpod_standin.pods import L40S, body, create, show, wait_for_status, wait_until_up
from tests.runpod_standin.process import API_KEY, StandInProcess
from tests.runpod_standin.waiting import wait_until


def errors_of(standin: StandInProcess, request_body: object) -> tuple[int, str]:
    reply = standin.call("POST", "/v2/pods", request_body)
    problem = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["status"] == reply.status_code
    return reply.status_code, "; ".join([problem["detail"], *problem.get("errors", [])])


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_missing_or_wrong_key_is_401(standin: StandInProcess, key: str | None) -> None:
    for method, path in (("GET", "/v2/pods"), ("POST", "/v2/pods"), ("DELETE", "/v2/pods/x")):
        assert standin.call(method, path, key=key).status_code == 401


def test_a_client_without_a_user_agent_of_its_own_is_turned_away_at_the_edge(standin: StandInProcess) -> None:
    request = urllib.request.Request(standin.url + "/v2/pods")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=10)
    with caught.value as reply:
        assert reply.code == 403
        assert reply.read() == b"error code: 1010"


@pytest.mark.parametrize(
    ("request_body", "status", "text"),
    [
        (body(interruptible=True), 422, "additional properties 'interruptible' not allowed"),
        (body(gpu={"id": L40S, "bid": 1}), 422, "additional properties 'bid' not allowed"),
        (body(name=""), 422, "name"),
        (body(env={"A": 1}), 422, "env.A"),
        (body(disk="50"), 422, "disk"),
        (body(cloud="ALL"), 422, "cloud"),
        (body(image=""), 422, "image: required"),
        (body(cpu={"id": "cpu3c", "vcpuCount": 2}), 400, "exactly one of gpu or cpu"),
        ({"name": "n", "image": "i"}, 400, "exactly one of gpu or cpu"),
        (body(gpu={"id": L40S, "minCudaVersion": "12.1", "allowedCudaVersions": ["12.8"]}), 400, "exclusive"),
        (body(mounts={"persistent": {"size": 10, "path": "/a"}, "network": []}), 400, "exclusive"),
        (["not", "an", "object"], 400, "not a JSON object"),
        (body(gpu={"id": L40S, "count": 99}), 400, "no longer any instances available"),
        (body(gpu={"id": "NVIDIA L4"}, cloud="COMMUNITY"), 400, "no longer any instances available"),
        (body(dataCenterIds=["MOON-1"]), 400, "no longer any instances available"),
        (body(gpu={"id": L40S, "minCudaVersion": "99.0"}), 400, "no longer any instances available"),
        (body(gpu={"id": L40S, "allowedCudaVersions": ["11.8"]}), 400, "no longer any instances available"),
        (body(gpu={"id": "NVIDIA Imaginary"}), 400, "unknown GPU type"),
        (body(env={"BIG": "x" * 102_400}), 413, "102400"),
    ],
)
def test_a_request_out_of_order_is_refused_and_rents_nothing(
    standin: StandInProcess, request_body: object, status: int, text: str
) -> None:
    before = len(standin.books())
    got_status, got_text = errors_of(standin, request_body)
    assert (got_status, text in got_text) == (status, True), got_text
    assert len(standin.books()) == before


def test_an_explicitly_empty_set_of_cuda_versions_states_no_constraint(standin: StandInProcess) -> None:
    create(standin, gpu={"id": L40S, "minCudaVersion": "12.8", "allowedCudaVersions": []})


def test_unknown_query_parameters_are_ignored(standin: StandInProcess) -> None:
    pod_id = create(standin)
    listed = standin.call("GET", "/v2/pods?name=other&status=EXITED").json()["pods"]
    assert [pod["id"] for pod in listed] == [pod_id]


def test_names_are_not_unique(standin: StandInProcess) -> None:
    assert create(standin, name="twin") != create(standin, name="twin")


def test_replies_carry_a_request_id_and_the_quotas(standin: StandInProcess) -> None:
    headers = standin.call("GET", "/v2/pods").headers
    assert headers["x-request-id"]
    assert headers["ratelimit"].startswith('"minute";r=')
    assert '"day";q=' in headers["ratelimit-policy"]


def test_a_listing_is_paged_without_gaps_or_doubles(standin: StandInProcess) -> None:
    made = [create(standin, name=f"page-{number}") for number in range(5)]
    seen: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        reply = standin.call("GET", f"/v2/pods?limit=2&cursor={cursor}").json()
        seen += [pod["id"] for pod in reply["pods"]]
        assert reply["pagination"]["hasNextPage"] == bool(reply["pagination"]["nextCursor"])
        cursor = reply["pagination"]["nextCursor"] or ""
        pages += 1
    assert (seen, pages) == (made, 3)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "cursor=%%%"])
def test_a_broken_page_request_is_422(standin: StandInProcess, query: str) -> None:
    assert standin.call("GET", f"/v2/pods?{query}").status_code == 422


def test_a_deleted_pod_is_204_then_404_everywhere(standin: StandInProcess) -> None:
    pod_id = create(standin)
    first = standin.call("DELETE", f"/v2/pods/{pod_id}")
    assert (first.status_code, first.content) == (204, b"")
    for method, path in (("DELETE", ""), ("GET", ""), ("GET", "/logs"), ("POST", "/action")):
        assert standin.call(method, f"/v2/pods/{pod_id}{path}").status_code == 404


def test_only_legal_actions_are_taken(standin: StandInProcess) -> None:
    pod_id = create(standin)

    def act(action: object) -> httpx.Response:
        return standin.call("POST", f"/v2/pods/{pod_id}/action", {"action": action})

    assert act("start").status_code == 409
    assert act("explode").status_code == 422
    wait_until_up(standin, pod_id)
    stopped = act("stop").json()
    assert (stopped["status"], stopped["cost"], stopped["runtime"]) == ("EXITED", 0.0, None)
    assert stopped["actions"] == ["start", "terminate"]
    assert act("restart").status_code == 409
    assert act("start").json()["status"] == "STARTING"
    wait_for_status(standin, pod_id, "RUNNING")
    assert act("terminate").status_code == 204
    assert act("terminate").status_code == 404


def test_a_pod_shows_the_whole_price_and_where_it_is(standin: StandInProcess) -> None:
    pod = show(standin, create(standin, gpu={"id": L40S, "count": 4}, dataCenterIds=["EU-RO-1"]))
    assert (pod["cost"], pod["dataCenterId"], pod["gpu"]["count"]) == (3.44, "EU-RO-1", 4)


def test_the_catalogue_needs_a_product_with_availability(standin: StandInProcess) -> None:
    assert standin.call("GET", "/v2/catalog/gpus?include=AVAILABILITY").status_code == 400
    assert standin.call("GET", "/v2/catalog/gpus?cloud=ALL").status_code == 422
    plain = standin.call("GET", "/v2/catalog/gpus").json()["gpus"]
    assert all("availability" not in gpu for gpu in plain)
    community = standin.call(
        "GET", "/v2/catalog/gpus?include=AVAILABILITY&product=POD&cloud=COMMUNITY"
    ).json()["gpus"]
    stock = {gpu["id"]: gpu["availability"] for gpu in community}
    assert stock["NVIDIA L4"] == "NONE"
    assert stock["NVIDIA GeForce RTX 4090"] == "HIGH"


def test_logs_are_streamed_and_can_be_resumed(standin: StandInProcess) -> None:
    pod_id = create(standin)
    wait_until_up(standin, pod_id)

    def events(
        query: str, headers: dict[str, str], until: str, on_open: Callable[[], object] = lambda: None
    ) -> list[str]:
        lines: list[str] = []
        auth = {"Authorization": f"Bearer {API_KEY}", **headers}
        url = f"{standin.url}/v2/pods/{pod_id}/logs{query}"
        with httpx.stream("GET", url, headers=auth, timeout=10, trust_env=False) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            for line in reply.iter_lines():
                if not lines:
                    on_open()
                lines.append(line)
                if until in line:
                    return lines
        raise AssertionError(f"no {until!r} in {lines}")

    whole = events("", {}, '"line":"up"')
    assert any('"source":"system","line":"create container i"' in line for line in whole)
    first_id = next(line for line in whole if line.startswith("id: ")).removeprefix("id: ")
    rest = events("", {"Last-Event-ID": first_id}, '"line":"up"')
    assert not any("create container" in line for line in rest)
    only = events("?source=container&tail=1", {}, '"line":"up"')
    assert not any("system" in line for line in only)
    # Live: what is printed after the stream was opened arrives too.
    assert events(
        "?tail=0&source=container",
        {},
        '"line":"up"',
        on_open=lambda: standin.call("POST", f"/_pods/{pod_id}/kill", {"signal": "TERM", "exit": False}),
    )


def test_a_broken_log_request_is_422(standin: StandInProcess) -> None:
    pod_id = create(standin)
    for query in ("source=kernel", "tail=5001", "tail=x", "since=yesterday"):
        assert standin.call("GET", f"/v2/pods/{pod_id}/logs?{query}").status_code == 422


def test_billing_answers_by_bucket_and_pod(standin: StandInProcess) -> None:
    pod_id = create(standin)
    wait_until(lambda: standin.book(pod_id)["cost_usd"] > 0, "something was billed")
    for bucket in ("hour", "day", "week", "month", "year"):
        bill = standin.call("GET", f"/v2/billing/pods?podId={pod_id}&bucketSize={bucket}&lastN=2").json()
        assert {record["podId"] for record in bill["records"]} == {pod_id}
        assert bill["metadata"]["totals"]["totalAmount"] > 0
        assert bill["metadata"]["query"]["bucketSize"] == bucket
    assert standin.call("GET", "/v2/billing/pods?podId=other").json()["records"] == []
    for query in ("bucketSize=decade", "startTime=once", "lastN=x"):
        assert standin.call("GET", f"/v2/billing/pods?{query}").status_code == 422
