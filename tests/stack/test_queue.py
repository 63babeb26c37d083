"""The queue on the running stack: who waits for whom, a promotion by a mailed link, and the limit, on its pages."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.stack.conftest import Opener, look
from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.slow]

SLOTS = 3
# The pages wait for a product that shares two cores with an emulator.
PATIENCE_MS = 60_000
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
    world: World, dataset: dict[str, Any], open_browser: Opener
) -> None:
    world.arm("stuck_provisioning")
    gpu = world.gpu()
    jobs = [world.api.start(dataset["id"], gpu, f"In line {n}", epochs=1) for n in range(SLOTS + 3)]
    try:
        _walk(world, jobs, open_browser)
    finally:
        _set_limit(world, SLOTS)
        for job_id in reversed(jobs):
            world.api.cancel(job_id)
        for job_id in jobs:
            assert world.api.until_final(job_id)["status"] == "cancelled"
            world.assert_nothing_left(job_id)


def _walk(world: World, jobs: list[str], open_browser: Opener) -> None:
    queue = world.api.get("/queue")
    assert [slot["id"] for slot in queue["slots"]] == jobs[:SLOTS]
    assert _waiting(world) == jobs[SLOTS:]
    starts = [each["estimated_start_at"] for each in queue["queued"]]
    assert starts == sorted(starts)
    last = jobs[-1]
    assert world.api.http.put(f"/jobs/{last}/watch", json={"queue": True}).status_code == 200

    page = open_browser()
    flows.open_sign_in_link(
        page, f"{world.outputs['site_url']}/sign-in#access_token={world.outputs['token']}"
    )
    page.goto(f"{world.outputs['site_url']}/dashboard/training-jobs?tab=queue")
    _ask(page, last)
    approval_id, token = _link(world)
    _approve(open_browser(width=390), world, approval_id, token)
    again = httpx.post(
        f"{world.outputs['api_url']}/approvals/{approval_id}/decision",
        json={"decision": "approve", "token": token},
        timeout=40,
    )
    assert again.status_code == 409
    expect(page.locator(f'.q-card[data-id="{last}"] .q-pos')).to_contain_text("#1", timeout=PATIENCE_MS)
    look(page, "queue")
    wait_until(lambda: _waiting(world) == [last, *jobs[SLOTS:-1]], "the promoted job is first")

    world.invoke("DispatchQueue")
    told = {note["type"] for note in world.api.get("/notifications", limit=100)["notifications"]}
    assert {"promotion_requested", "promotion_decided", "queue_next"} <= told
    history = world.api.get("/queue/history")
    assert {event["type"] for event in history["events"]} >= {"added", "promoted"}
    assert history["days"][-1]["promoted"] == 1

    page.get_by_role("button", name="Change limit").click()
    page.get_by_role("button", name="One more").click()
    page.get_by_role("button", name="Save limit").click()
    wait_until(lambda: world.api.job(last)["status"] == "provisioning", "the promoted job has a slot")
    assert _waiting(world) == jobs[SLOTS:-1]
    expect(
        page.get_by_role("heading", name=f"Active training jobs: {SLOTS + 1} of {SLOTS + 1} slots")
    ).to_be_visible(timeout=PATIENCE_MS)


def _ask(page: Page, job_id: str) -> None:
    """For the promotion of a job that waits."""
    card = page.locator(f'.q-card[data-id="{job_id}"]')
    expect(card.locator(".q-pos")).to_contain_text("#3", timeout=PATIENCE_MS)
    expect(card).to_contain_text("Estimated start: ")
    card.get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name="Promote to Front").click()
    page.get_by_label("Reason for priority promotion").select_option("client_deadline")
    page.get_by_label("Justification").fill(WHY)
    page.get_by_role("button", name="Submit Request").click()
    expect(card.get_by_role("link", name="Promotion requested")).to_be_visible(timeout=PATIENCE_MS)


def _approve(page: Page, world: World, approval_id: str, token: str) -> None:
    """By the mailed link, at a browser that is not signed in."""
    page.goto(f"{world.outputs['site_url']}/approvals/{approval_id}#decision=approve&token={token}")
    expect(page.locator("main")).to_contain_text("#3 → #1", timeout=PATIENCE_MS)
    look(page, "approval-390")
    page.get_by_role("button", name="Approve Request").click()
    expect(page.locator("#verdict")).to_contain_text("with the mailed link", timeout=PATIENCE_MS)
    expect(page.locator("main")).to_contain_text("The job moved from #3 to #1 of the queue.")
