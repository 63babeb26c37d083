"""Comparing jobs: choosing them, their curves, what differs, what the loss cost, what they went through."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.frontend.conftest import Opener, Site

pytestmark = pytest.mark.browser

SMALL, RUNNING = "Small adapter", "Elena Morales Financial - Balanced - 2026-11-22"


def small(site: Site, **changes: Any) -> str:
    """A completed job with a lower rank, a slower curve and another word in its tags."""
    with site.world.lock:
        job = site.world.add_job(name=SMALL, slope=190.0, tags=["experiment", "baseline"], **changes)
        job["configuration"]["hyperparameters"].update(rank=8, alpha=16)
        site.world.complete(job["id"])
    return str(job["id"])


def open_comparison(page: Page, site: Site, *ids: str, more: str = "") -> None:
    page.goto(f"{site.origin}/training-jobs/compare?ids={','.join(ids)}{more}")
    expect(page.locator(".compare-job")).to_have_count(len(ids))


def settings(page: Page) -> Locator:
    return page.get_by_role("group", name="Settings").get_by_role("row")


def chart_of(page: Page) -> Locator:
    chart = page.get_by_role("group", name="Loss curves")
    expect(chart.locator("canvas")).to_be_visible()
    chart.scroll_into_view_if_needed()
    return chart


def drawn(page: Page) -> bytes:
    """The chart once it has been painted."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator(".plot").screenshot()


def test_two_jobs_stand_side_by_side(site: Site, open_page: Opener) -> None:
    page = open_page()
    open_comparison(page, site, site.id_of("running"), small(site))
    cards = page.get_by_role("list", name="Compared jobs").get_by_role("listitem")
    expect(cards.nth(1)).to_contain_text("Completed")
    expect(cards.nth(1)).to_contain_text("baseline")
    expect(page.get_by_text("shared tags: experiment")).to_be_visible()
    outcome = page.get_by_role("group", name="Cost and outcome")
    best = outcome.get_by_role("row", name="Best validation loss")
    expect(best.get_by_role("cell").nth(0)).to_contain_text("Best")
    expect(best.get_by_role("cell").nth(1)).not_to_contain_text("Best")
    expect(outcome.get_by_role("row", name="Cost per 0.01 gained")).to_contain_text("$0.0075")
    expect(outcome.get_by_role("row", name="Model quality")).to_contain_text("4.5 of 5")
    expect(page).to_have_title(f"{RUNNING} and {SMALL} · Compare · LoRA Pipeline")


def test_only_the_settings_that_differ_are_shown_on_request(site: Site, open_page: Opener) -> None:
    page = open_page()
    open_comparison(page, site, site.id_of("running"), small(site))
    rank = page.get_by_role("row", name="Rank")
    expect(rank).to_contain_text("differs")
    expect(page.get_by_role("row", name="Learning rate")).not_to_contain_text("differs")
    page.get_by_label("Only differences").check()
    expect(settings(page)).to_have_count(3)
    assert "only=differences" in page.url
    page.reload()
    expect(settings(page)).to_have_count(3)
    page.get_by_label("Only differences").uncheck()
    expect(settings(page)).to_have_count(14)


def test_the_curves_change_axis_and_the_legend_hides_a_job_and_a_kind(site: Site, open_page: Opener) -> None:
    page = open_page()
    open_comparison(page, site, site.id_of("running"), small(site))
    chart_of(page)
    seen = {drawn(page)}
    for name in ("Dollars", "Epochs"):
        page.get_by_role("group", name="Horizontal axis").get_by_role("button", name=name).click()
        seen.add(drawn(page))
    assert "x=epoch" in page.url
    for name in (SMALL, "Validation", "Log scale", "Smooth"):
        button = page.locator("#chart-card").get_by_role("button", name=name)
        before = button.get_attribute("aria-pressed")
        button.click()
        expect(button).not_to_have_attribute("aria-pressed", before or "")
        seen.add(drawn(page))
    assert len(seen) == 7


def test_the_chart_says_what_is_under_the_pointer_and_zooms_by_key_and_wheel(
    site: Site, open_page: Opener
) -> None:
    page = open_page()
    open_comparison(page, site, site.id_of("running"), small(site))
    box = chart_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 80)
    expect(page.locator(".compare-tip")).to_contain_text(re.compile(rf"Step \d+.*{SMALL}.*0\.\d", re.DOTALL))
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] - 400)
    whole = drawn(page)
    chart_of(page).focus()
    page.keyboard.press("+")
    zoomed = drawn(page)
    page.keyboard.press("0")
    assert zoomed != whole == drawn(page)
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 80)
    page.mouse.wheel(0, -200)
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] - 400)
    assert drawn(page) != whole


def test_screen_readers_hear_each_job_s_best(site: Site, open_page: Opener) -> None:
    page = open_page()
    open_comparison(page, site, site.id_of("running"), small(site))
    chart_of(page)
    expect(page.locator("#chart-summary")).to_contain_text(
        f"{SMALL}: best validation loss 0.4177 at step 920"
    )
    expect(page.get_by_role("img", name="Marked by a square").first).to_be_visible()


def test_a_job_is_searched_filtered_by_tag_added_and_removed(site: Site, open_page: Opener) -> None:
    page = open_page()
    first, second = site.id_of("running"), small(site)
    open_comparison(page, site, first, second)
    page.locator("#add-job").click()
    offers = page.get_by_role("list", name="Jobs to add").get_by_role("button")
    expect(offers).to_have_count(3)
    page.get_by_role("group", name="Only jobs with the tag").get_by_role("button", name="baseline").click()
    expect(offers).to_have_count(1)
    page.get_by_role("group", name="Only jobs with the tag").get_by_role("button", name="baseline").click()
    expect(offers).to_have_count(3)
    page.locator("#picker-search").fill("Onboarding")
    expect(offers).to_have_count(1)
    expect(offers).to_contain_text("Onboarding")
    offers.click()
    expect(page.locator(".compare-job")).to_have_count(3)
    expect(page).to_have_url(re.compile(rf"ids={first},{second},{site.id_of('cancelled')}"))
    page.get_by_role("button", name=f"Remove {SMALL} from the comparison").click()
    expect(page.locator(".compare-job")).to_have_count(2)
    page.go_back()
    expect(page.locator(".compare-job")).to_have_count(3)


def test_from_a_job_s_page_the_other_one_is_chosen(site: Site, open_page: Opener) -> None:
    page = open_page(f"/training-jobs/{site.id_of('running')}")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name=f"Compare {RUNNING} with")).to_be_visible()
    page.get_by_role("list", name="Jobs to add").get_by_role("button", name="Refund policy").click()
    expect(page.locator(".compare-job")).to_have_count(2)


def test_without_a_choice_the_page_asks_for_one(site: Site, open_page: Opener) -> None:
    page = open_page("/training-jobs/compare")
    expect(page.get_by_role("heading", name="Choose a job to begin with")).to_be_visible()
    page.locator("#picker-search").fill("nothing like this")
    expect(page.get_by_text("No other job matches.")).to_be_visible()


def test_a_job_that_is_gone_is_named_and_left_out(site: Site, open_page: Opener) -> None:
    site.allowed = ("404",)
    ids = [site.id_of("running"), "job_gone", site.id_of("completed")]
    page = open_page(f"/training-jobs/compare?ids={','.join(ids)}")
    expect(page.get_by_text("There is no job job_gone.")).to_be_visible()
    page.get_by_role("button", name="Go on without it").click()
    expect(page.locator(".compare-job")).to_have_count(2)


def test_a_lost_connection_keeps_what_is_shown(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page = open_page()
    open_comparison(page, site, site.id_of("running"), small(site))
    site.world.failing.add("/jobs/compare")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("Last updated:")).to_be_visible()
    expect(page.locator(".compare-job")).to_have_count(2)
    site.world.failing.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Last updated:")).to_have_count(0)


def test_new_points_of_a_running_job_arrive_and_ended_jobs_are_not_asked_for_again(
    site: Site, open_page: Opener
) -> None:
    page = open_page()
    running = site.id_of("running")
    open_comparison(page, site, running, small(site))
    steps = page.get_by_role("row", name="Steps").get_by_role("cell").first
    expect(steps).to_have_text("520 of 942")
    site.world.advance(running, 100)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(steps).to_have_text("620 of 942")
    site.world.complete(running)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(steps).to_have_text("942 of 942")
    expect(page.locator("#live")).to_have_text("Up to date")
    looks = sum(r["path"].endswith("/compare") for r in site.world.requests)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert sum(r["path"].endswith("/compare") for r in site.world.requests) == looks


def test_what_the_jobs_went_through_is_laid_side_by_side(site: Site, open_page: Opener) -> None:
    page = open_page()
    running, other = site.id_of("running"), small(site)
    site.world.add_event(
        running,
        "warning",
        "GPU interrupted, recovering from step 500",
        {"recovery": 1},
        "2026-11-22T10:39:00Z",
    )
    open_comparison(page, site, running, other)
    page.get_by_role("tab", name="Sequence of events").click()
    assert "view=sequence" in page.url
    table = page.get_by_role("group", name="Sequence of events")
    training = table.get_by_role("row", name="Training").first
    expect(training.get_by_role("cell").nth(0)).to_contain_text("27m 0s")
    expect(training.get_by_role("cell").nth(1)).to_contain_text("+36m")
    expect(table.get_by_role("row", name="Recovering").get_by_role("cell").nth(1)).to_have_text("–")
    expect(table.get_by_role("row", name="End").get_by_role("cell").nth(1)).to_contain_text("after")
    page.go_back()
    expect(page.locator("#chart-card")).to_be_visible()
