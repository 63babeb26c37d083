"""Pausing a job on its page and going on: what is said, what may change, what it costs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.test_pages import accessibility_findings

pytestmark = pytest.mark.browser


def _paused(site: Site, open_page: Opener) -> tuple[Page, str]:
    page, job_id = open_page(), site.id_of("running")
    flows.open_job(page, site.origin, job_id, "overview")
    page.locator("#pause-training").click()
    page.locator("#pause-confirm").click()
    expect(page.locator("#job-badge")).to_have_text("Paused")
    return page, job_id


def test_a_pause_says_what_it_does_and_may_be_thought_better_of(site: Site, open_page: Opener) -> None:
    page, job_id = open_page(), site.id_of("running")
    flows.open_job(page, site.origin, job_id, "overview")
    page.locator("#pause-training").click()
    dialog = page.get_by_role("dialog", name="Pause Training Job?")
    expect(dialog).to_contain_text("Step 520 of 942 (55%)")
    expect(dialog).to_contain_text("You can resume later from this exact point")
    assert accessibility_findings(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#pause-training")).to_be_focused()
    assert not [request for request in site.world.requests if request["path"].endswith("/pause")]


def test_a_paused_job_shows_where_it_stands_and_both_kinds_of_time(site: Site, open_page: Opener) -> None:
    page, _ = _paused(site, open_page)
    card = page.get_by_role("region", name="Paused")
    expect(card).to_contain_text("Training paused at step 520 on")
    expect(card).to_contain_text("6h 25m")
    expect(card).to_contain_text("412 MB")
    expect(page.get_by_role("list", name="Pauses").get_by_role("listitem")).to_have_count(2)
    expect(page.locator("#pause-training")).to_have_count(0)
    assert accessibility_findings(page) == []


def test_a_resume_shows_what_is_left_and_follows_the_choice_of_gpu(site: Site, open_page: Opener) -> None:
    page, _ = _paused(site, open_page)
    page.locator("#resume-training").click()
    dialog = page.get_by_role("dialog", name="Resume Training")
    expect(dialog).to_contain_text("Step 520 (55% complete)")
    expect(dialog).to_contain_text("422 steps, 2.4h")
    expect(dialog).to_contain_text("Spot instance may be interrupted again")
    assert accessibility_findings(page) == []
    page.locator("#resume-tier").select_option("on_demand")
    expect(dialog).not_to_contain_text("Spot instance may be interrupted again")
    page.locator("#resume-confirm").click()
    expect(page.locator("#job-badge")).to_have_text("Queued")
    sent = next(each["body"] for each in site.world.requests if each["path"].endswith("/resume"))
    assert sent["gpu"]["tier"] == "on_demand"
    expect(page.get_by_role("region", name="Pauses")).to_contain_text("Resumed")


def test_a_cap_that_is_too_low_says_so_and_keeps_the_dialog(site: Site, open_page: Opener) -> None:
    site.allowed = ("422",)
    page, job_id = _paused(site, open_page)
    page.locator("#resume-training").click()
    page.locator("#resume-cap").fill("1.00")
    page.locator("#resume-confirm").click()
    expect(page.get_by_role("alert")).to_contain_text("the cap must be at least $1.91")
    expect(page.locator("#resume-cap")).to_have_value("1.00")
    assert site.world.jobs[job_id]["status"] == "paused"
