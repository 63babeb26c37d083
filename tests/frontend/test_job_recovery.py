"""A GPU that is lost while the page is open, and sections that fold on phones."""

from __future__ import annotations

import copy

import pytest
from playwright.sync_api import expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.test_job_page import open_running, poll_now
from tests.frontend.test_jobs_selection import LIST, row
from tests.frontend.test_pages import accessibility_findings

pytestmark = pytest.mark.browser


def test_an_interruption_is_shown_until_training_goes_on(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    job, note = site.world.jobs[job_id], page.locator("#recovery")
    expect(note).to_be_hidden()
    attempt = job["attempts"][-1]
    attempt.update(status="ended", ended_at=site.world.tick(), end="lost")
    job.update(
        status="recovering", status_sentence="Recovering from checkpoint...", changed_at=attempt["ended_at"]
    )
    poll_now(page)
    expect(note).to_contain_text("⚠ Interrupted")
    expect(note).to_contain_text("Recovering from checkpoint...")
    bar = page.get_by_role("progressbar", name="Recovery")
    expect(bar).to_have_attribute("aria-valuenow", "15")
    assert accessibility_findings(page) == []
    next_one = {**copy.deepcopy(attempt), "attempt": 2, "ended_at": None, "end": None}
    job["attempts"].append({**next_one, "status": "requested", "resumed_from_step": 500})
    job["changed_at"] = site.world.tick()
    poll_now(page)
    expect(bar).to_have_attribute("aria-valuenow", "45")
    job["attempts"][-1]["status"] = "live"
    job.update(status="running", changed_at=site.world.tick())
    poll_now(page)
    expect(note).to_contain_text("✓ Resumed from step 500")
    expect(bar).to_have_count(0)


def test_a_job_that_is_found_recovering_says_so_at_once(site: Site, open_page: Opener) -> None:
    job = site.world.jobs[site.id_of("running")]
    job["status"] = "recovering"
    page = open_page(f"/training-jobs/{job['id']}")
    expect(page.locator("#recovery")).to_contain_text("⚠ Interrupted")
    job.update(status="failed", is_final=True, changed_at=site.world.tick())
    poll_now(page)
    expect(page.locator("#recovery")).to_be_hidden()


def test_sections_fold_away_on_phones_only(site: Site, open_page: Opener) -> None:
    page = open_page(f"/training-jobs/{site.id_of('running')}", width=390)
    cost = page.get_by_role("region", name="Cost")
    button = cost.get_by_role("button", name="Cost")
    expect(cost.locator(".money")).to_be_visible()
    button.click()
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(cost.locator(".money")).to_be_hidden()
    # A repaint with news leaves it folded.
    site.world.advance(site.id_of("running"), 5)
    poll_now(page)
    expect(page.get_by_text("Step 525 of 942")).to_be_visible()
    expect(cost.locator(".money")).to_be_hidden()
    button.press("Enter")
    expect(cost.locator(".money")).to_be_visible()
    wide = open_page(f"/training-jobs/{site.id_of('running')}")
    expect(wide.locator(".money")).to_be_visible()
    expect(wide.locator(".fold:visible")).to_have_count(0)


def test_the_list_shows_times_and_costs_with_their_parts(site: Site, open_page: Opener) -> None:
    job = site.world.add_job(
        name="Halted",
        status="paused",
        times={"active_seconds": 2230, "paused_seconds": 8100, "elapsed_seconds": 10330},
    )
    page = open_page(LIST)
    halted = row(page, "Halted").locator(".c-time")
    expect(halted).to_have_text("Active: 37m 10s, Paused: 2h 15m")
    tip = halted.get_attribute("title") or ""
    assert tip.startswith("Started ")
    assert "paused 2h 15m" in tip
    expect(row(page, "Elena Morales Financial - Balanced").locator(".c-time .ticks")).to_be_visible()
    cost = row(page, "Support tickets").locator(".c-cost div").get_attribute("title") or ""
    lines = cost.split("\n")
    assert lines[0].endswith("/hr")
    assert lines[2] == "of GPU Compute $4.98, Spot Interruption Buffer $0.04, Storage & Transfer $0.01"
    assert lines[3].startswith("Actual $")
    assert job["id"]
