"""What the queue tab says of the queue as a whole: numbers, advice, history, and the limit."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_queue import line_of, wait_in_line
from tests.frontend.test_queue import QUEUE, fill_slots, look_again

pytestmark = pytest.mark.browser


def test_statistics_with_their_trend(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    wait_in_line(site.world, 5)
    page = open_page(QUEUE)
    for label, value in (
        ("Average queue wait time", "1h 23m last 30 days, 214 starts ↑ Queue time increasing"),
        ("Queue throughput", "12 jobs/day last 7 days"),
        ("Longest queue wait", "6h 42m ever"),
        ("Current queue depth", "5 jobs (moderate)"),
    ):
        tile = page.locator("#queue .kpi", has_text=label)
        assert " ".join(tile.inner_text().split()) == f"{label} {value}"
    line_of(site.world).statistics["trend"] = "decreasing"
    look_again(page)
    expect(page.locator("#queue .kpis")).to_contain_text("↓ Decreasing")


def test_a_full_queue_and_a_long_one_are_spoken_of_with_advice(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    wait_in_line(site.world, 3)
    page = open_page(QUEUE)
    expect(
        page.get_by_text("Queue full (3/3 active jobs). Wait for completion or cancel an active job.")
    ).to_be_visible()
    expect(page.get_by_role("link", name="Create New Training Job")).to_have_attribute(
        "title",
        re.compile("^Maximum 3 concurrent training jobs. Wait for completion or cancel an active job."),
    )
    expect(page.get_by_text("Queue Optimization Tips:")).to_have_count(0)
    wait_in_line(site.world, 9)
    look_again(page)
    expect(
        page.get_by_text(
            "Queue is unusually long (12 jobs). Consider increasing concurrency limit or cancelling non-essential jobs."
        )
    ).to_be_visible()
    tips = page.get_by_role("complementary", name="Queue Optimization Tips:")
    expect(tips).to_contain_text("Cancel non-urgent jobs to free capacity")
    expect(tips).to_contain_text("Consider using on-demand GPUs")
    expect(tips).to_contain_text("Start jobs at off-peak hours (fewer queued jobs overnight)")
    expect(tips).to_contain_text("Current estimated queue clear time: 2 hours 25 minutes")


def test_an_empty_queue_says_what_is_free(site: Site, open_page: Opener) -> None:
    page = open_page(QUEUE)
    expect(page.get_by_text("✓ Queue is empty. 2 of 3 slots available.")).to_be_visible()
    site.world.complete(site.id_of("running"))
    look_again(page)
    expect(page.get_by_text("✓ Queue is empty. All training capacity available.")).to_be_visible()
    expect(
        page.get_by_text("Your new training jobs will start immediately (within 5 minutes).")
    ).to_be_visible()
    expect(page.locator(".empty")).to_contain_text("Next training slot available: Now")
    page.locator("#queue").get_by_role("link", name="Create New Training Job").click()
    page.wait_for_url("**/training-jobs/new")


def test_managers_read_what_happened_and_members_do_not(site: Site, open_page: Opener) -> None:
    page = open_page(QUEUE)
    page.get_by_role("button", name="Queue History").click()
    assert page.url.endswith("?tab=queue&view=history")
    expect(page.get_by_text("Most common reason for long queues: Concurrency limit (73%)")).to_be_visible()
    expect(page.get_by_text("Consider increasing the concurrency limit.")).to_be_visible()
    events = page.locator(".q-event")
    expect(events.nth(1)).to_contain_text("Promoted")
    expect(events.nth(1)).to_contain_text("#2 → #1 · Client deadline · by Dana")
    expect(events.first).to_contain_text("waited 2m 0s")
    page.get_by_text("Day by day (86 started)").click()
    expect(page.get_by_role("row", name="2026-11-22 6 2 0 1 0 0s 0s")).to_be_visible()
    page.get_by_role("button", name="Show older").click()
    expect(events.last).to_contain_text("An older job")
    site.world.user["role"] = "member"
    page = open_page(QUEUE + "&view=history")
    expect(page.locator(".slot").first).to_be_visible()
    expect(page.get_by_role("button", name="Queue History")).to_have_count(0)


def test_an_admin_changes_the_limit_and_a_manager_cannot(site: Site, open_page: Opener) -> None:
    page = open_page(QUEUE)
    page.get_by_role("button", name="Change limit").click()
    field = page.get_by_label("Concurrent training jobs")
    expect(field).to_have_value("3")
    field.fill("11")
    page.locator("#save-limit").click()
    expect(page.get_by_role("alert")).to_have_text("Enter a whole number from 1 to 10.")
    field.fill("4")
    page.get_by_role("button", name="One more").click()
    page.locator("#save-limit").click()
    expect(page.get_by_role("heading", name="Active training jobs: 1 of 5 slots")).to_be_visible()
    assert line_of(site.world).limit == 5
    site.world.user["role"] = "manager"
    page = open_page(QUEUE)
    expect(page.locator(".slot").first).to_be_visible()
    expect(page.get_by_role("button", name="Queue History")).to_be_visible()
    expect(page.get_by_role("button", name="Change limit")).to_have_count(0)


def test_the_settings_page_holds_the_limit_for_admins_alone(site: Site, open_page: Opener) -> None:
    page = open_page("/settings")
    page.get_by_label("Concurrent training jobs").fill("7")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Up to 7 jobs train at once.").first).to_be_visible()
    assert line_of(site.world).limit == 7
    site.world.user["role"] = "manager"
    page = open_page("/settings")
    expect(page.locator("#name")).to_be_visible()
    expect(page.locator("#organisation")).to_be_hidden()
