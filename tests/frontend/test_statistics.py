"""The page of cancellations and pauses, and the advice in the pause dialog."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.frontend.conftest import Opener, Site

pytestmark = pytest.mark.browser


def test_managers_find_rates_reasons_savings_and_people(site: Site, open_page: Opener) -> None:
    page = open_page("/statistics")
    expect(page.get_by_text("4 of 24 ended jobs")).to_be_visible()
    page.goto(f"{site.origin}/dashboard/training-jobs")
    page.get_by_role("link", name="Cancellations and pauses").click()
    page.wait_for_url("**/statistics")
    expect(page.get_by_text("4 of 24 ended jobs")).to_be_visible()
    expect(page.get_by_text("Loss not decreasing / Training not improving")).to_be_visible()
    expect(page.get_by_text("of 7 that are over")).to_be_visible()
    expect(page.get_by_role("row", name="Miro Vale")).to_contain_text("3 of 9")
    expect(page.get_by_text("reduce spot interruption risk by 60%")).to_be_visible()


def test_the_period_stands_in_the_address_and_an_empty_one_says_so(site: Site, open_page: Opener) -> None:
    page = open_page("/statistics")
    page.get_by_role("button", name="30 days").click()
    expect(page.get_by_text("No job has ended or was paused in the last 30 days")).to_be_visible()
    assert page.url.endswith("/statistics?days=30")
    page.reload()
    expect(page.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")


def test_members_are_told_whom_it_is_for(site: Site, open_page: Opener) -> None:
    site.allowed = ("403",)
    site.world.user["role"] = "member"
    page = open_page("/statistics")
    expect(page.get_by_text("Statistics about people are shown to managers and above.")).to_be_visible()


def test_a_failed_look_offers_another(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    site.world.failing.add("/statistics")
    page = open_page("/statistics")
    expect(page.get_by_role("alert")).to_contain_text("The statistics could not be read.")
    site.world.failing.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("4 of 24 ended jobs")).to_be_visible()


def test_a_pause_comes_with_advice_from_own_history(site: Site, open_page: Opener) -> None:
    job = site.world.jobs[site.id_of("running")]
    job["allowed_actions"] = ["pause", "cancel"]
    page = open_page(f"/training-jobs/{job['id']}")
    page.locator("#pause-training").click()
    advice = page.locator("#pause-advice")
    expect(advice).to_contain_text("reduce spot interruption risk by 60%")
    expect(advice).to_contain_text("From 12 interruptions in 340 hours")
