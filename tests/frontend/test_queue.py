"""The queue tab: slots, places in line, estimated starts, what a card offers, and what moves while one looks on."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_queue import line_of, provision, train, wait_in_line
from tests.frontend.fixture_server import wait_until
from tests.frontend.fixture_world import Json, iso

pytestmark = pytest.mark.browser

QUEUE = "/dashboard/training-jobs?tab=queue"


def card(page: Page, job: Json) -> Locator:
    return page.locator(f'.q-card[data-id="{job["id"]}"]')


def look_again(page: Page) -> None:
    """What the poller does by itself when the tab is shown again."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def fill_slots(site: Site) -> None:
    """The fixture's one running job, and two more."""
    for name in ("Harbour balanced", "Quarry high rank"):
        site.world.add_job(name=name)


def test_the_tab_counts_who_waits_and_stays_in_the_address(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    jobs = wait_in_line(site.world, 5)
    page = open_page("/dashboard/training-jobs")
    tabs = page.get_by_role("tab")
    words = ("All Jobs", "Queue", "Active", "Completed", "Failed", "Cancelled", "Drafts")
    expect(tabs).to_have_text([re.compile(rf"^\s*{word}\s*\d+\s*$") for word in words])
    expect(page.get_by_role("tab", name="Queue 5")).to_be_visible()
    page.get_by_role("tab", name="Queue").click()
    expect(card(page, jobs[4])).to_be_visible()
    assert page.url.endswith("?tab=queue")
    expect(page.locator("#list")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("tab", name="Queue 5")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name="All Jobs 11")).to_be_visible()
    page.go_back()
    expect(page.locator(".jobs tbody tr")).to_have_count(11)


def test_a_narrowed_list_does_not_narrow_the_badge(site: Site, open_page: Opener) -> None:
    wait_in_line(site.world, 5)
    page = open_page("/dashboard/training-jobs?search=nothing-like-this")
    expect(page.get_by_role("tab", name="Queue 5")).to_be_visible()


def test_the_queue_lists_who_waits_for_a_slot_and_who_waits_for_a_gpu(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    first, second = wait_in_line(site.world, 2)
    site.world.complete(site.id_of("running"))
    provision(site.world, first)
    page = open_page(QUEUE)
    expect(page.locator(".q-card")).to_have_count(2)
    expect(card(page, first)).to_contain_text("Waiting for its GPU")
    expect(card(page, first)).not_to_contain_text("#1")
    expect(card(page, second).locator(".q-pos")).to_contain_text("#1")


def test_slots_show_who_trains_how_far_it_is_and_what_is_free(site: Site, open_page: Opener) -> None:
    running = site.world.jobs[site.id_of("running")]
    page = open_page(QUEUE)
    panel = page.get_by_role("region", name="Active training jobs: 1 of 3 slots")
    busy = panel.locator(".slot").first
    expect(busy).to_contain_text("55.2%")
    expect(busy).to_contain_text("Estimated completion: Today at ")
    expect(busy.get_by_role("link", name=running["name"], exact=True)).to_have_attribute(
        "href", f"/training-jobs/{running['id']}"
    )
    expect(panel.get_by_text("Available", exact=True)).to_have_count(2)
    expect(panel).to_contain_text("Next training slot available: Now")
    busy.get_by_role("link", name="View details").click()
    page.wait_for_url(f"**/training-jobs/{running['id']}")


def test_a_card_has_place_name_configuration_start_and_person(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    jobs = wait_in_line(site.world, 9)
    page = open_page(QUEUE)
    first = card(page, jobs[0])
    for text in ("Waiting 1", jobs[0]["id"], "Balanced", "H100 PCIe 80GB · Spot", "You", "#1"):
        expect(first).to_contain_text(text)
    expect(first).to_contain_text("Estimated start: Today at ")
    expect(first).to_contain_text("in ~40 minutes")
    tones = [pos.get_attribute("data-tone") for pos in page.locator(".q-pos").all()]
    assert tones == ["success"] * 3 + ["caution"] * 4 + ["late"] * 2
    expect(card(page, jobs[0])).to_contain_text("Medium confidence")
    expect(card(page, jobs[2])).to_contain_text("Low confidence")


def test_the_first_place_pulses_unless_less_motion_is_wanted(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    wait_in_line(site.world, 1)
    page = open_page(QUEUE)
    place = page.locator(".q-pos.next")
    expect(place).to_be_visible()
    name = "getComputedStyle(document.querySelector('.q-pos.next')).animationName"
    assert page.evaluate(name) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(name) == "next"


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(3, r"Today at 1:45 PM"), (20, r"Tomorrow at 6:45 AM"), (60, r"Tuesday, Nov 24 at 10:45 PM")],
)
def test_an_estimated_start_is_told_by_the_day(
    site: Site, open_page: Opener, hours: int, expected: str
) -> None:
    fill_slots(site)
    line_of(site.world).seconds_each = hours * 3600 - 300
    (job,) = wait_in_line(site.world, 1)
    site.world.now = site.world.now.replace(hour=10, minute=45, second=0)
    page = open_page(QUEUE)
    expect(card(page, job)).to_contain_text(f"Estimated start: {expected}")
    at = iso(site.world.now + timedelta(hours=hours)).replace("T", " ").replace("Z", " UTC")
    expect(card(page, job).locator("time").first).to_have_attribute("title", at)


def test_the_countdown_goes_on_between_two_looks(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    (job,) = wait_in_line(site.world, 1)
    page = open_page()
    page.clock.install()
    page.goto(site.origin + QUEUE)
    expect(card(page, job)).to_contain_text("in ~40 minutes")
    site.allowed = ("503",)
    site.world.failing.add("/queue")
    page.clock.fast_forward(7 * 60 * 1000)
    expect(card(page, job)).to_contain_text("in ~33 minutes")
    expect(page.get_by_text("Showing the last data.")).to_be_visible()


def test_the_tooltip_says_what_may_change_the_start(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    (job,) = wait_in_line(site.world, 1)
    page = open_page(QUEUE)
    hint = card(page, job).get_by_role("button", name="Medium confidence")
    tip = card(page, job).get_by_role("tooltip")
    expect(tip).to_be_hidden()
    hint.focus()
    expect(tip).to_be_visible()
    for text in (
        "Start time estimated based on current active jobs. May change if:",
        "Active jobs complete faster/slower than expected",
        "Higher priority jobs added to queue",
        "Active jobs are cancelled",
    ):
        expect(tip).to_contain_text(text)
    expect(hint).to_have_accessible_description(re.compile("Active jobs are cancelled"))
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_starting_soon_is_said_only_when_the_forecast_agrees(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    (job,) = wait_in_line(site.world, 1)
    page = open_page(QUEUE)
    expect(card(page, job)).to_contain_text("in ~40 minutes")
    expect(card(page, job)).not_to_contain_text("Starting soon...")
    line_of(site.world).seconds_each = 240
    look_again(page)
    expect(card(page, job)).to_contain_text("Starting soon...")


def test_who_moves_up_lights_up_and_who_leaves_fades_without_a_jump(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    jobs = wait_in_line(site.world, 4)
    page = open_page()
    page.emulate_media(reduced_motion="no-preference")
    page.goto(site.origin + QUEUE)
    expect(page.locator(".q-card")).to_have_count(4)
    page.evaluate(
        """() => { window.seen = []; const animate = Element.prototype.animate;
        Element.prototype.animate = function (frames, options) {
          window.seen.push([this.dataset.id ?? this.className, JSON.stringify(frames)]);
          return animate.call(this, frames, options); }; }"""
    )
    page.evaluate(
        """() => { window.shift = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries())
        window.shift += entry.value; }).observe({type: 'layout-shift'}); }"""
    )
    with site.world.lock:
        site.world.complete(site.id_of("running"))
        train(site.world, jobs[0])
    look_again(page)
    expect(page.locator(".q-card")).to_have_count(3)
    expect(card(page, jobs[1]).locator(".q-pos")).to_contain_text("#1")
    seen: list[list[str]] = page.evaluate("window.seen")
    faded = [who for who, frames in seen if '"opacity":0' in frames and '"opacity":1' in frames]
    assert faded == [jobs[0]["id"]]
    green = [who for who, frames in seen if "--success-bg" in frames]
    assert green == [job["id"] for job in jobs[1:]]
    glided = [who for who, frames in seen if "translateY" in frames]
    assert glided == green
    assert page.evaluate("window.shift") <= 0.1
    expect(page.locator("#announce")).to_contain_text("is now at position")


def test_a_failed_look_says_so_and_can_be_tried_again(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    site.world.failing.add("/queue")
    page = open_page(QUEUE)
    expect(page.locator("#queue").get_by_role("alert")).to_contain_text("The service is busy")
    site.world.failing.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".slot").first).to_be_visible()


def test_the_queue_is_asked_for_about_every_ten_seconds(site: Site, open_page: Opener) -> None:
    page = open_page()
    page.clock.install()
    page.goto(site.origin + QUEUE)
    expect(page.locator(".slot").first).to_be_visible()

    def asked() -> int:
        return sum(r["path"] == "/api/queue" for r in site.world.requests)

    assert asked() == 1
    page.clock.run_for(8_500)
    assert asked() == 1
    page.clock.run_for(3_000)
    wait_until(lambda: asked() == 2, 10)
