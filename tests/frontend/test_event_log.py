"""The event log as a timeline, turned by keys, exported with a range, and when it cannot be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site

pytestmark = pytest.mark.browser


def open_log(site: Site, open_page: Opener, more: str = "") -> tuple[Page, str]:
    page, job_id = open_page(), site.id_of("running")
    page.goto(f"{site.origin}/training-jobs/{job_id}?tab=event-log{more}")
    expect(page.locator(".pager")).to_be_visible()
    return page, job_id


def lose_the_gpu(site: Site) -> None:
    job_id = site.id_of("running")
    data = {"attempt": 1, "recovery": 1}
    site.world.add_event(job_id, "warning", "Throughput fell", {}, "2026-11-22T10:38:30Z")
    site.world.add_event(
        job_id, "warning", "GPU interrupted, recovering from step 500", data, "2026-11-22T10:39:00Z"
    )
    site.world.add_event(job_id, "status", "GPU rented", {"pod_id": "p"}, "2026-11-22T12:53:00Z")


def exported(page: Page) -> Path:
    with page.expect_download() as started:
        page.locator("#export-save").click()
    assert started.value.suggested_filename.startswith(
        "Elena-Morales-Financial-Balanced-2026-11-22-event-log-"
    )
    return Path(started.value.path())


def open_export(page: Page) -> None:
    page.get_by_role("button", name="Export Log").click()
    expect(page.get_by_role("dialog", name="Export Log")).to_be_visible()


LOCAL = """(utc) => {
  const at = new Date(utc);
  return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}"""


def local(page: Page, utc: str) -> Any:
    """A time as the browser's own date field wants it."""
    return page.evaluate(LOCAL, utc)


def test_the_timeline_shows_gaps_and_pins_what_is_critical(site: Site, open_page: Opener) -> None:
    lose_the_gpu(site)
    page, _ = open_log(site, open_page)
    page.get_by_role("group", name="View").get_by_role("button", name="Timeline").click()
    line = page.get_by_role("list", name="Timeline of events")
    expect(line.get_by_text("2h 14m without events")).to_be_visible()
    expect(line.get_by_text("5 metrics updates, step 420 to 500")).to_be_visible()
    pinned = page.get_by_role("region", name="1 critical event (Lost GPU) and 1 warning")
    expect(pinned.locator(".log-row")).to_have_count(1)
    expect(pinned.locator(".log-row")).to_contain_text("GPU interrupted")
    pinned.get_by_role("button", name="Show all 2").click()
    expect(pinned.locator(".log-row")).to_have_count(2)
    assert "view=timeline" in page.url
    page.reload()
    expect(line).to_be_visible()


def test_what_is_pinned_stays_whatever_the_filters_say(site: Site, open_page: Opener) -> None:
    lose_the_gpu(site)
    page, _ = open_log(site, open_page, "&view=timeline&filter=checkpoints")
    expect(page.get_by_role("list", name="Timeline of events").locator(".node")).to_have_count(5)
    expect(page.locator(".pinned")).to_contain_text("GPU interrupted")


def test_a_failed_job_s_error_is_pinned(site: Site, open_page: Opener) -> None:
    page = open_page(f"/training-jobs/{site.id_of('failed')}?tab=event-log&view=timeline")
    expect(page.locator(".pinned")).to_contain_text("1 critical event (Error)")
    expect(page.locator(".pinned .log-row")).to_contain_text("failed")


def test_metrics_in_a_row_open_to_their_rows_and_a_row_to_its_payload(site: Site, open_page: Opener) -> None:
    page, _ = open_log(site, open_page, "&view=timeline")
    page.get_by_text("5 metrics updates, step 20 to 100").click()
    row = page.locator(".run-rows .log-row").get_by_text("Step 100:")
    expect(row).to_be_visible()
    row.click()
    expect(page.locator(".run-rows .payload .json-k").first).to_have_text('"step"')


def test_arrow_keys_turn_pages_and_walk_over_rows(site: Site, open_page: Opener) -> None:
    page, _ = open_log(site, open_page)
    page.get_by_label("Rows").select_option("25")
    expect(page.get_by_text("Showing 1–25 of")).to_be_visible()
    rows = page.locator(".log summary")
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Showing 26–")).to_be_visible()
    expect(page.get_by_role("button", name="Page 2")).to_be_focused()
    expect(page.get_by_role("button", name="Page 2")).to_have_attribute("aria-current", "page")
    assert "page=2" in page.url
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Showing 1–25 of")).to_be_visible()
    page.get_by_role("button", name="Page 2").click()
    expect(page.get_by_text("Showing 26–")).to_be_visible()
    page.locator("#event-search").press("ArrowLeft")
    expect(page.get_by_text("Showing 26–")).to_be_visible()


def test_an_export_is_whole_unless_the_view_is_wished(site: Site, open_page: Opener) -> None:
    page, job_id = open_log(site, open_page, "&filter=checkpoints")
    open_export(page)
    assert len(json.loads(exported(page).read_text())) == len(site.world.events[job_id])
    expect(page.locator("#toasts")).to_contain_text("events exported")
    open_export(page)
    page.get_by_label("Export current filtered view only").check()
    assert {event["type"] for event in json.loads(exported(page).read_text())} == {"checkpoint"}


def test_an_export_keeps_to_its_range_in_csv_too(site: Site, open_page: Opener) -> None:
    page, job_id = open_log(site, open_page)

    open_export(page)
    page.get_by_role("group", name="Format").get_by_role("button", name="CSV").click()
    page.get_by_label("Export events from").fill(local(page, "2026-11-22T10:20:00Z"))
    page.get_by_label("to", exact=True).fill(local(page, "2026-11-22T10:10:00Z"))
    page.locator("#export-save").click()
    expect(page.get_by_role("alert")).to_have_text("The end is before the beginning.")
    page.get_by_label("to", exact=True).fill(local(page, "2026-11-22T10:30:00Z"))
    rows = list(csv.DictReader(exported(page).read_text().splitlines()))
    expected = [
        event["at"]
        for event in site.world.events[job_id]
        if "2026-11-22T10:20:00Z" <= event["at"] <= "2026-11-22T10:30:59Z"
    ]
    assert sorted(row["timestamp"] for row in rows) == sorted(expected)
    assert len(expected) > 5
    assert json.loads(rows[0]["full_payload"])["step"]


def test_a_log_that_cannot_be_read_keeps_what_was_loaded(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page, job_id = open_log(site, open_page)
    rows = page.locator(".log .log-row")
    before = rows.count()
    site.world.failing.add(f"/jobs/{job_id}/events")
    page.get_by_role("button", name="Newest first").click()
    expect(page.get_by_text("Unable to load event log.")).to_be_visible()
    expect(rows).to_have_count(before)
    site.world.failing.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Unable to load event log.")).to_have_count(0)
    expect(rows.first).to_contain_text("pending_configuration")


def test_leaving_the_log_leaves_its_state_behind(site: Site, open_page: Opener) -> None:
    page, job_id = open_log(site, open_page, "&view=timeline&filter=checkpoints")
    page.get_by_role("tab", name="Metrics").click()
    expect(page).to_have_url(f"{site.origin}/training-jobs/{job_id}?tab=metrics")
    flows.open_job(page, site.origin, job_id, "event-log")
    expect(page.get_by_role("list", name="Events", exact=True)).to_be_visible()
