"""The queue on the running stack: who waits for whom, a promotion by a mailed link, and the limit."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import httpx
import pytest

from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.slow]

SLOTS = 3
WHY = "The client presents these results on Friday morning and needs two days to check every answer by hand."
LINK = re.compile(r"/approvals/(apr_\w+)#decision=approve&token=([\w-]+)")


def _link(world: World) -> tuple[str, str]:
    (mail,) = [mail for mail in world.mails() if mail["Subject"].startswith("Priority Queue Request")]
    found = LINK.search(str(mail))
    assert found is not None
    return found[1], found[2]


def _waiting(world: World) -> list[str]:
    return [each["id"] for each in world.api.get("/queue")["queued"]]


def _set_limit(world: World, limit: int) -> None:
    reply = world.api.http.put("/settings", json={"concurrency_limit": limit})
    assert reply.status_code == 200, reply.text


def test_a_mailed_yes_moves_a_job_to_the_front_and_a_higher_limit_starts_it(
    world: World, dataset: dict[str, Any]
) -> None:
    world.arm("stuck_provisioning")
    gpu = world.gpu()
    jobs = [world.api.start(dataset["id"], gpu, f"In line {n}", epochs=1) for n in range(SLOTS + 3)]
    try:
        _walk(world, jobs)
    finally:
        _set_limit(world, SLOTS)
        for job_id in reversed(jobs):
            world.api.cancel(job_id)
        for job_id in jobs:
            assert world.api.until_final(job_id)["status"] == "cancelled"
            world.assert_nothing_left(job_id)


def _walk(world: World, jobs: list[str]) -> None:
    queue = world.api.get("/queue")
    assert [slot["id"] for slot in queue["slots"]] == jobs[:SLOTS]
    assert _waiting(world) == jobs[SLOTS:]
    starts = [each["estimated_start_at"] for each in queue["queued"]]
    assert starts == sorted(starts)
    last = jobs[-1]
    assert world.api.http.put(f"/jobs/{last}/watch", json={"queue": True}).status_code == 200

    world.api.post(f"/jobs/{last}/promotion", {"reason": "client_deadline", "justification": WHY})
    approval_id, token = _link(world)
    decide = partial(
        httpx.post,
        f"{world.outputs['api_url']}/approvals/{approval_id}/decision",
        json={"decision": "approve", "token": token},
        timeout=40,
    )
    first = decide()
    assert (first.status_code, first.json()["data"]["outcome"]) == (
        200,
        {"old_position": 3, "new_position": 1},
    )
    assert decide().status_code == 409
    wait_until(lambda: _waiting(world) == [last, *jobs[SLOTS:-1]], "the promoted job is first")

    world.invoke("DispatchQueue")
    told = {note["type"] for note in world.api.get("/notifications", limit=100)["notifications"]}
    assert {"promotion_requested", "promotion_decided", "queue_next"} <= told
    history = world.api.get("/queue/history")
    assert {event["type"] for event in history["events"]} >= {"added", "promoted"}
    assert history["days"][-1]["promoted"] == 1

    _set_limit(world, SLOTS + 1)
    wait_until(lambda: world.api.job(last)["status"] == "provisioning", "the promoted job has a slot")
    assert _waiting(world) == jobs[SLOTS:-1]
