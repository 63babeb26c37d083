"""The jobs list: filters in the address, live rows, menu, empty and failed states."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_server import wait_until

pytestmark = pytest.mark.browser

LIST = "/dashboard/training-jobs"


def rows(page: Page) -> list[str]:
    return [row.inner_text() for row in page.locator(".jobs tbody tr").all()]


def test_the_start_page_is_the_jobs_list(site: Site, open_page: Opener) -> None:
    page = open_page("/")
    expect(page.locator(".jobs tbody tr")).to_have_count(4)
    assert page.url.endswith(LIST)


def test_tabs_filter_and_stay_in_the_address(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    page.get_by_role("tab", name="Failed").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(1)
    assert "tab=failed" in page.url
    page.reload()
    expect(page.get_by_role("tab", name="Failed")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.locator(".jobs tbody tr")).to_have_count(4)


def test_tabs_move_with_the_arrow_keys(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    expect(page.locator(".jobs tbody tr")).to_have_count(4)
    page.get_by_role("tab", name="All jobs").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Queue")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Active")).to_be_focused()
    expect(page.locator(".jobs tbody tr")).to_have_count(1)


def test_searching_finds_by_name_and_says_when_nothing_matches(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    page.get_by_placeholder("Search by job name, notes, or tags...").fill("refund")
    expect(page.locator(".jobs tbody tr")).to_have_count(1)
    assert "search=refund" in page.url
    page.get_by_placeholder("Search by job name, notes, or tags...").fill("zebra")
    expect(page.get_by_text("No jobs found matching 'zebra'.")).to_be_visible()
    page.get_by_role("button", name="Clear Filters", exact=True).click()
    expect(page.locator(".jobs tbody tr")).to_have_count(4)


def test_a_header_click_sorts_and_a_second_one_turns_the_order(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    page.get_by_role("button", name="Cost").click()
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".jobs tbody tr").first).to_contain_text("Support tickets")
    page.get_by_role("button", name="Cost").click()
    expect(page.locator(".jobs tbody tr").last).to_contain_text("Support tickets")
    assert "sortBy=cost&sortDir=asc" in page.url


def test_cancelled_jobs_come_by_when_they_were_cancelled(site: Site, open_page: Opener) -> None:
    cancelled = site.world.jobs[site.id_of("cancelled")]
    with site.world.lock:
        for job, day in ((cancelled, 25), (site.world.add_job("job_cancelled", name="Made later"), 23)):
            job["ended_at"] = f"2026-11-{day}T10:00:00Z"
    page = open_page(f"{LIST}?status=cancelled")
    expect(page.locator(".jobs tbody tr").first).to_contain_text("Onboarding tone")
    expect(page.locator(".jobs tbody tr").last).to_contain_text("Made later")
    assert "sortBy" not in page.url
    page = open_page(f"{LIST}?tab=cancelled&sortBy=created_at")
    expect(page.locator(".jobs tbody tr").first).to_contain_text("Made later")


def test_rows_change_while_the_page_is_open(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    running = site.id_of("running")
    expect(page.locator(".jobs")).to_contain_text("$1.23")
    with site.world.lock:
        site.world.jobs[running]["cost"]["spent_usd"] = "2.34"
    expect(page.locator(".jobs")).to_contain_text("$2.34", timeout=15_000)


def test_an_empty_workspace_invites_to_the_first_job(site: Site, open_page: Opener) -> None:
    site.world.jobs.clear()
    page = open_page(LIST)
    expect(page.get_by_text("No training jobs yet.")).to_be_visible()
    page.get_by_role("link", name="Create Your First Training Job").click()
    page.wait_for_url("**/training-jobs/new")


def test_a_failed_load_says_so_and_can_be_tried_again(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    site.world.failing.add("/jobs")
    page = open_page(LIST)
    expect(page.get_by_role("alert")).to_contain_text("The service is busy")
    site.world.failing.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(4)


def test_the_menu_deletes_a_finished_job_after_asking(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    failed = site.id_of("failed")
    page.get_by_role("button", name="Actions for Refund policy").click()
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete job").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(3)
    assert failed not in site.world.jobs


def test_the_menu_closes_with_escape_and_gives_focus_back(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    button = page.get_by_role("button", name="Actions for Refund policy")
    button.click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(button).to_be_focused()


def test_a_row_click_opens_the_job(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    page.locator(".jobs tbody tr", has_text="Refund policy").locator(".c-cost").click()
    page.wait_for_url(f"**/training-jobs/{site.id_of('failed')}")


def test_long_lists_have_pages_in_the_address(site: Site, open_page: Opener) -> None:
    for number in range(26):
        site.world.add_job("job_cancelled", name=f"Extra {number}")
    page = open_page(LIST)
    expect(page.get_by_text("Showing 1–25 of 30 jobs")).to_be_visible()
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(5)
    assert "page=2" in page.url


def test_a_phone_shows_cards_with_name_status_and_cost(site: Site, open_page: Opener) -> None:
    page = open_page(LIST, width=390)
    expect(page.locator(".jobs tbody tr")).to_have_count(4)
    expect(page.locator(".jobs thead")).to_be_hidden()
    card = page.locator(".jobs tbody tr").first
    for part in (".c-name", ".c-status", ".c-cost", ".c-menu"):
        expect(card.locator(part)).to_be_visible()


def test_the_list_asks_again_by_itself_about_every_ten_seconds(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    expect(page.locator(".jobs tbody tr")).to_have_count(4)
    asked = [r for r in site.world.requests if r["path"] == "/api/jobs"]
    assert len(asked) == 1
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: sum(r["path"] == "/api/jobs" for r in site.world.requests) == 2, 5)


def test_the_badge_of_a_row_tells_more_on_hover(site: Site, open_page: Opener) -> None:
    page = open_page("/dashboard/training-jobs")
    row = page.locator(".jobs tbody tr", has_text="Elena Morales Financial - Balanced").first
    tip = (row.locator(".c-status .badge").get_attribute("title") or "").split("\n")
    assert tip[1] == "Step 520/942 (55%)"
    assert tip[2].startswith("Last update 20")
