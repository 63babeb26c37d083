"""The job page: live numbers, chart, event log, cancel, end states, lost connection."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_server import wait_until

pytestmark = pytest.mark.browser


def open_running(site: Site, open_page: Opener, tab: str = "overview") -> tuple[Page, str]:
    page, job_id = open_page(), site.id_of("running")
    flows.open_job(page, site.origin, job_id, tab)
    return page, job_id


def poll_now(page: Page) -> None:
    """Ask the page to look again at once, as it does when its tab is shown."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_running_job_shows_progress_stages_cost_and_title(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    expect(page.get_by_text("Step 520 of 942 · Epoch 2 of 3")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Training progress")).to_have_attribute("aria-valuenow", "55")
    stages = page.get_by_role("list", name="Stages").get_by_role("button")
    expect(stages).to_have_count(4)
    expect(stages.first).to_have_accessible_name(
        "Stage 1 of 4: Preprocessing - Completed in 2 minutes 0 seconds"
    )
    expect(page.locator(".money")).to_have_text("$1.23")
    expect(page).to_have_title("55% · Elena Morales Financial - Balanced - 2026-11-22 · LoRA Pipeline")
    assert page.locator("link[rel=icon]").get_attribute("href").startswith("data:image/svg+xml")  # type: ignore[union-attr]


def test_new_points_arrive_without_a_reload(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    expect(page.locator("#chart-summary")).to_contain_text("520 steps")
    site.world.advance(job_id, 60)
    poll_now(page)
    expect(page.get_by_text("Step 580 of 942")).to_be_visible()
    expect(page.locator("#chart-summary")).to_contain_text("580 steps")
    expect(page.locator(".short .log-row").first).to_contain_text("Step 580")


def test_only_what_is_new_is_asked_for(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    site.world.advance(job_id, 1)
    poll_now(page)
    expect(page.get_by_text("Step 521 of 942")).to_be_visible()
    looks = [r["query"].get("cursor") for r in site.world.requests if r["path"].endswith("/live")]
    assert looks[0] is None
    assert all(looks[1:])


def test_tabs_are_in_the_address_and_back_returns(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    page.get_by_role("tab", name="Event Log").click()
    assert page.url.endswith("?tab=event-log")
    expect(page.get_by_role("heading", name="Event log")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#overview")).to_be_visible()


def test_the_event_log_filters_searches_opens_and_copies(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page, "event-log")
    page.get_by_role("group", name="Show").get_by_role("button", name="Checkpoint").click()
    expect(page.locator(".event-log-host .log-row")).to_have_count(5)
    assert "filter=checkpoints" in page.url
    page.locator("#event-search").fill("step 500")
    expect(page.locator(".event-log-host").get_by_text("Found 1 event matching 'step 500'")).to_be_visible()
    page.locator(".event-log-host summary").first.click()
    expect(page.locator(".payload .json-k").first).to_have_text('"step"')
    page.get_by_role("button", name="Copy JSON").click()
    expect(page.locator("#toasts")).to_contain_text("JSON copied")
    assert json.loads(page.evaluate("navigator.clipboard.readText()"))["step"] == 500


def test_new_events_are_counted_on_their_tab_while_another_is_open(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    site.world.advance(job_id, 20)
    poll_now(page)
    expect(page.get_by_role("tab", name="Event Log")).to_contain_text("1 new")


def test_a_lost_connection_keeps_the_data_and_offers_a_retry(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page, _ = open_running(site, open_page)
    site.world.failing.add("/jobs")
    poll_now(page)
    expect(page.get_by_text("Unable to fetch latest metrics. Check connection.")).to_be_visible()
    expect(page.get_by_text("Last updated:")).to_be_visible()
    expect(page.get_by_text("Step 520 of 942")).to_be_visible()
    site.world.failing.clear()
    page.get_by_role("button", name="Retry Refresh").click()
    expect(page.get_by_text("Unable to fetch latest metrics.")).to_have_count(0)


def test_cancelling_needs_a_reason_and_the_checkbox(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    page.locator("#cancel-training").click()
    confirm = page.locator("#cancel-confirm")
    expect(page.locator("#cancel-back")).to_be_focused()
    expect(confirm).to_be_disabled()
    page.locator("#cancel-reason").select_option("wrong_configuration")
    expect(confirm).to_be_disabled()
    page.locator("#cancel-understood").check()
    expect(confirm).to_be_enabled()
    page.locator("#cancel-understood").press("Enter")
    confirm.press("Enter")
    expect(page.get_by_role("dialog", name="Cancel Training Job?")).to_be_visible()
    assert site.world.jobs[job_id]["status"] == "running"


def test_escape_leaves_the_cancel_dialog_and_gives_focus_back(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    page.locator("#cancel-training").click()
    expect(page.locator("dialog")).to_be_visible()
    page.mouse.click(5, 5)
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("#cancel-training")).to_be_focused()
    assert site.world.jobs[job_id]["status"] == "running"


def test_a_cancelled_job_says_who_and_why_and_stops_asking(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    flows.cancel_job(page, notes="picked the wrong file")
    flows.wait_for_badge(page, "Cancelling")
    poll_now(page)
    flows.wait_for_badge(page, "Cancelled")
    expect(page.locator("#toasts")).to_contain_text("Training Job Cancelled - Final cost: $1.23")
    expect(page.get_by_text("by Dana Reyes").first).to_be_visible()
    expect(page.locator("#cancel-training")).to_have_count(0)
    sent = next(r["body"] for r in site.world.requests if r["path"].endswith("/cancel"))
    assert sent == {"reason": "wrong_configuration", "notes": "picked the wrong file", "confirmed": True}
    looks = sum(r["path"].endswith("/live") for r in site.world.requests)
    poll_now(page)
    assert sum(r["path"].endswith("/live") for r in site.world.requests) == looks
    assert site.world.jobs[job_id]["status"] == "cancelled"


def test_a_refused_cancel_says_why_and_keeps_what_was_typed(site: Site, open_page: Opener) -> None:
    site.allowed = ("409",)
    page, job_id = open_running(site, open_page)
    page.locator("#cancel-training").click()
    page.locator("#cancel-reason").select_option("wrong_configuration")
    page.locator("#cancel-notes").fill("too late")
    page.locator("#cancel-understood").check()
    site.world.jobs[job_id]["is_final"] = True
    page.locator("#cancel-confirm").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("Failed to cancel job.")
    expect(page.locator("#cancel-notes")).to_have_value("too late")


def test_a_job_that_completes_leads_to_its_model(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    model = site.world.complete(job_id)
    poll_now(page)
    flows.wait_for_badge(page, "Completed")
    expect(page.get_by_text("100.0%")).to_be_visible()
    page.get_by_role("link", name="View & Download").click()
    page.wait_for_url(f"**/models/{model['id']}")


def test_a_failed_job_explains_itself(site: Site, open_page: Opener) -> None:
    page = open_page(f"/training-jobs/{site.id_of('failed')}")
    expect(page.get_by_role("alert")).to_contain_text("Out of Memory")
    expect(page.get_by_role("alert")).to_contain_text("Use a smaller batch size")
    page.get_by_role("button", name="View Error Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("CUDA out of memory at step 521")


def test_notes_are_edited_in_place(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    page.get_by_role("button", name="Edit", exact=True).click()
    page.locator("#edit-notes").fill("**done** <b>not bold</b>")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".prose strong")).to_have_text("done")
    expect(page.locator(".prose")).to_contain_text("<b>not bold</b>")
    assert site.world.jobs[job_id]["notes"] == "**done** <b>not bold</b>"


def test_the_last_checkpoint_can_be_downloaded(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page, "artifacts")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download Last Checkpoint").click()
    assert started.value.suggested_filename == "adapter_model.safetensors"


def test_an_unknown_job_says_so(site: Site, open_page: Opener) -> None:
    site.allowed = ("404",)
    page = open_page("/training-jobs/job_none")
    expect(page.get_by_text("Job not found or access denied")).to_be_visible()


def test_a_hidden_tab_does_not_ask(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    poll_now(page)
    looks = sum(r["path"].endswith("/live") for r in site.world.requests)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    poll_now(page)
    wait_until(lambda: sum(r["path"].endswith("/live") for r in site.world.requests) == looks + 1, 10)


def test_the_first_look_is_one_request_that_brings_everything(site: Site, open_page: Opener) -> None:
    job_id = site.id_of("running")
    page = open_page(f"/training-jobs/{job_id}")
    expect(page.locator(".short li").first).to_be_visible()
    expect(page.locator(".chart canvas")).to_be_visible()
    asked = [each["path"] for each in site.world.requests if job_id in each["path"]]
    assert asked == [f"/api/jobs/{job_id}/live"]


def test_a_cost_beyond_the_estimate_warns_and_stresses_the_cancel_button(
    site: Site, open_page: Opener
) -> None:
    cost = site.world.jobs[site.id_of("running")]["cost"]
    cost.update(spent_usd="6.50", percent_of_estimate=108.0, level="over")
    page, _ = open_running(site, open_page)
    warning = (
        "Cost Exceeding Estimate: Current $6.50 vs estimated $6.02. Monitor closely or consider cancelling."
    )
    expect(page.get_by_text(warning)).to_be_visible()
    expect(page.locator("#cancel-training")).to_have_class(re.compile("emphasised"))
    expect(page.get_by_role("progressbar", name="Share of the estimate spent")).to_have_attribute(
        "data-tone", "danger"
    )


def test_a_refresh_by_hand_says_when_it_is_done(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    site.world.advance(job_id, 3)
    page.locator("#refresh").click()
    expect(page.locator("#toasts")).to_contain_text("Metrics updated")
    expect(page.get_by_text("Step 523 of 942")).to_be_visible()
    expect(page.locator("#refresh")).to_be_enabled()
