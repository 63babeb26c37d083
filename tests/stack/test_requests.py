"""Malformed requests over real HTTP, through site, gateway and function: each gets its envelope, none a 500."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import httpx
import pytest

from tests.stack.agent import Agent
from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = pytest.mark.stack

NO_SUCH_JOB = "job_0000000000000000"
DEEP = b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DATASET = {"name": "x", "file_name": "x.jsonl", "size_bytes": 10}
ODD_TEXT = ["\x00", "\u202eevil", "😀" * 50, "a" * 10_000, "", " ", "\ud800"]


def _assert_envelope(reply: httpx.Response, *statuses: int) -> dict[str, Any]:
    """One of the statuses, with the one error shape of the API."""
    said = f"{reply.request.method} {reply.request.url}: {reply.status_code} {reply.text[:300]}"
    assert reply.status_code in statuses, said
    body: dict[str, Any] = reply.json()
    assert set(body) == {"error", "details", "code", "request_id"}, said
    assert re.fullmatch(r".*[.!?]", body["error"], re.DOTALL), said
    assert body["request_id"], said
    assert "Traceback" not in reply.text
    return body


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"", (422,)),
        (b"not json", (400,)),
        (b"\xff\xfe\x00", (400,)),
        (b"[]", (400,)),
        (b"null", (400,)),
        (b'{"name": NaN}', (400,)),
        (b'{"name": 1, "file_name": {}, "size_bytes": "ten"}', (422,)),
        (b'{"name": "x", "file_name": "x.jsonl", "size_bytes": 1e400}', (400, 422)),
        (
            b'{"name": "x", "file_name": "x.jsonl", "size_bytes": 1234567890123456789012345678901234567890}',
            (422,),
        ),
        (json.dumps({**DATASET, "extra": 1}).encode(), (422,)),
        (b'{"name": "\\ud800", "file_name": "x.jsonl", "size_bytes": 10}', (422,)),
        (b'{"name": "\\u0000", "file_name": "x.jsonl", "size_bytes": 10}', (422,)),
        (DEEP, (400,)),
        (b'{"name": "' + b"a" * 1_100_000 + b'"}', (413,)),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
def test_a_body_that_cannot_be_used_is_refused_by_name(
    world: World, body: bytes, statuses: tuple[int, ...]
) -> None:
    reply = world.api.http.post("/datasets", content=body, headers={"Content-Type": "application/json"})
    _assert_envelope(reply, *statuses)


def test_a_body_beyond_the_gateway_is_refused_before_the_function(world: World) -> None:
    reply = world.api.http.post(
        "/datasets", content=b"x" * (10 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"}
    )
    _assert_envelope(reply, 413)


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "multipart/form-data; boundary=x"])
def test_another_content_type_gets_the_envelope(world: World, content_type: str) -> None:
    reply = world.api.http.post("/datasets", content=b"<x/>", headers={"Content-Type": content_type})
    _assert_envelope(reply, 400)


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/%00",
        "/jobs/%ff%fe",
        "/jobs/%F0%9F%98%80",
        "/jobs/" + "a" * 3000,
        "/jobs/..%2f..%2fetc",
        f"/jobs/{NO_SUCH_JOB}",
        f"/jobs/{NO_SUCH_JOB}/live",
        f"/jobs/{NO_SUCH_JOB}/metrics",
        f"/jobs/{NO_SUCH_JOB}/events",
        "/datasets/ds_0000000000000000",
        "/models/mdl_0000000000000000",
    ],
)
def test_an_unknown_id_is_not_found_whatever_it_looks_like(world: World, path: str) -> None:
    _assert_envelope(world.api.http.get(path), 400, 404)


@pytest.mark.parametrize("query", ["page=0", "page=x", "limit=1000", "page=99999999999999999999", "limit="])
def test_a_query_out_of_bounds_is_named(world: World, query: str) -> None:
    body = _assert_envelope(world.api.http.get(f"/datasets?{query}"), 422)
    assert query.partition("=")[0] in body["details"]


def test_odd_text_in_a_search_is_searched_for_and_breaks_nothing(world: World) -> None:
    for text in ODD_TEXT:
        query = httpx.QueryParams({"search": text.encode("utf-8", "replace").decode()})
        reply = world.api.http.get("/jobs", params=query)
        if reply.status_code != 200:
            _assert_envelope(reply, 400, 422)
    for raw in ("%00", "%ff", "%F0%9F", "%ED%A0%80", "%", "%zz"):
        reply = world.api.http.get(f"/jobs?search={raw}&status={raw}")
        if reply.status_code != 200:
            _assert_envelope(reply, 400, 422)


@pytest.mark.parametrize("path", ["/api/nothing", "/api/", "/webhooks/nothing", "/api/jobs/x/y/z"])
def test_an_unknown_address_gets_the_envelope_of_the_gateway(world: World, path: str) -> None:
    reply = world.api.http.get(f"{world.outputs['site_url']}{path}")
    _assert_envelope(reply, 404)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/me"), ("PUT", "/jobs"), ("PATCH", "/catalog")])
def test_a_wrong_method_gets_the_envelope_of_the_gateway(world: World, method: str, path: str) -> None:
    _assert_envelope(world.api.http.request(method, path), 404, 405)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer lp_" + "a" * 40, "😀"]
)
def test_nobody_gets_in_without_a_token_that_is_ours(world: World, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode())]
    reply = httpx.get(f"{world.outputs['api_url']}/jobs", headers=headers, timeout=30)
    _assert_envelope(reply, 401)


HELLO = {"trainer_version": "0.1.0"}
TOLD = {"type": "info", "at": "2026-11-22T10:00:00Z", "message": "Said once"}


def test_only_the_present_attempt_is_heard_and_each_word_once(world: World, dataset: dict[str, Any]) -> None:
    world.arm("stuck_provisioning")
    job_id = world.api.start(dataset["id"], world.gpu(), "Webhooks", epochs=1)
    wait_until(lambda: world.ledger(job_id), "a pod is rented")
    agent = Agent(world, job_id)
    try:
        _assert_envelope(agent.post("hello", HELLO, signature="v1,AAAA"), 401)
        _assert_envelope(agent.post("hello", HELLO, at=int(time.time()) - 3600), 401)
        _assert_envelope(agent.post("hello", {**HELLO, "attempt": 2}), 409)
        _assert_envelope(agent.post("hello", {**HELLO, "fence": "00000000"}), 409)
        _assert_envelope(agent.post("hello", {**HELLO, "attempt": 0}), 422)
        greeted = agent.post("hello", HELLO)
        assert greeted.status_code == 200, greeted.text
        hello = greeted.json()["data"]
        batch = {"incarnation": 1, "first_sequence": hello["next_sequence"], "events": [TOLD]}
        replies = [agent.post("events", batch, message_id="the-same-id") for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 200]
        assert {reply.json()["data"]["next_sequence"] for reply in replies} == {hello["next_sequence"] + 1}
        said = [event for event in world.api.events(job_id) if event["message"] == "Said once"]
        assert len(said) == 1
        _assert_envelope(agent.post("events", {**batch, "incarnation": 7}), 409)
        _assert_envelope(agent.post("events", {**batch, "events": [{"type": "unheard_of"}]}), 422)
        outside = {"uploads": [{"path": "../x", "size_bytes": 1, "sha256": "0" * 64}], "downloads": []}
        _assert_envelope(agent.post("urls", outside), 422)
    finally:
        world.api.cancel(job_id)
    assert world.api.until_final(job_id)["status"] == "cancelled"
    # The attempt's row is closed by the settlement that made the job final, a moment later.
    world.until_execution_ended(f"{job_id}-r1")
    _assert_envelope(agent.post("hello", HELLO), 409)
