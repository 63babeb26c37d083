"""Before the review of a new job: a long wait is told of, with what can be done about it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_queue import line_of, wait_in_line
from tests.frontend.test_queue import fill_slots

pytestmark = pytest.mark.browser


def to_review(site: Site, page: Page) -> None:
    dataset = next(d["id"] for d in site.world.datasets.values() if d["status"] == "ready")
    flows.configure(page, site.origin, dataset)
    page.locator("#review:enabled").click()


def test_a_long_wait_is_told_before_the_review(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    wait_in_line(site.world, 5)
    page = open_page()
    to_review(site, page)
    advice = page.get_by_role("dialog", name="Queue Advisory")
    expect(advice).to_contain_text(
        "Queue Advisory: 3 active jobs running, 5 jobs in queue. Your job will be queued. "
        "Estimated start: 1 hour 15 minutes from now."
    )
    expect(page.get_by_role("button", name="Continue Anyway")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Review Training Configuration")).to_be_visible()


def test_a_short_queue_is_not_spoken_of(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    wait_in_line(site.world, 4)
    page = open_page()
    to_review(site, page)
    expect(page.get_by_role("dialog", name="Review Training Configuration")).to_be_visible()


def test_advice_that_cannot_be_had_holds_nobody_up(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    site.world.failing.add("/queue")
    page = open_page()
    to_review(site, page)
    expect(page.get_by_role("dialog", name="Review Training Configuration")).to_be_visible()


def test_a_very_long_queue_is_warned_of_and_later_means_a_draft(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    line_of(site.world).seconds_each = 6 * 3600
    wait_in_line(site.world, 12)
    page = open_page()
    to_review(site, page)
    advice = page.get_by_role("dialog", name="Long Queue")
    expect(advice).to_contain_text(
        "Long Queue: 12 jobs ahead. Estimated wait: 24+ hours. "
        "Recommendation: Wait for queue to clear or increase team concurrency limit."
    )
    expect(advice).to_contain_text("a start at a set time is not offered")
    page.get_by_role("button", name="Schedule for Later").click()
    page.wait_for_url("**/training-jobs/job_*/configure")
    assert [job["status"] for job in site.world.jobs.values()][-1] == "pending_configuration"


def test_a_job_can_be_cancelled_from_the_advice_and_the_form_stays(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    wait_in_line(site.world, 5)
    page = open_page()
    to_review(site, page)
    page.get_by_role("button", name="Cancel a job").click()
    page.get_by_role("button", name="Cancel Waiting 2").click()
    page.locator("#cancel-reason").select_option("wrong_configuration")
    page.locator("#cancel-understood").check()
    page.locator("#cancel-confirm").click()
    advice = page.get_by_role("dialog", name="Queue Advisory")
    expect(advice).to_contain_text("The queue has become short meanwhile.")
    expect(page.get_by_role("button", name="Cancel Waiting 2")).to_have_count(0)
    page.get_by_role("button", name="Continue Anyway").click()
    expect(page.get_by_role("dialog", name="Review Training Configuration")).to_be_visible()
