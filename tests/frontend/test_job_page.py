"""The job page: live numbers, chart, event log, cancel, end states, lost connection."""

from __future__ import annotations

import json
import struct
from pathlib import Path

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


def test_the_chart_zooms_pans_and_resets_by_keyboard(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    chart = page.get_by_role("group", name="Loss chart")
    expect(chart.locator("canvas")).to_be_visible()
    chart.focus()
    before = chart.screenshot()
    for key in ("+", "+", "ArrowRight"):
        page.keyboard.press(key)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert chart.screenshot() != before
    page.keyboard.press("0")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert chart.screenshot() == before


def test_hovering_the_chart_names_the_values_and_the_legend_hides_a_line(
    site: Site, open_page: Opener
) -> None:
    page, _ = open_running(site, open_page)
    chart = page.get_by_role("group", name="Loss chart")
    expect(chart.locator("canvas")).to_be_visible()
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".chart-tip")).to_contain_text("Training Loss")
    legend = page.get_by_role("button", name="Validation loss")
    legend.click()
    expect(legend).to_have_attribute("aria-pressed", "false")


def drawn(page: Page) -> bytes:
    """The chart once it has been painted."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator(".plot").screenshot()


def test_the_wheel_zooms_only_a_chart_that_was_chosen_and_a_pinch_always(
    site: Site, open_page: Opener
) -> None:
    page, _ = open_running(site, open_page)
    chart = page.get_by_role("group", name="Loss chart")
    expect(chart.locator("canvas")).to_be_visible()
    chart.scroll_into_view_if_needed()
    wheel = """(over, [deltaY, ctrlKey]) => over.dispatchEvent(
        new WheelEvent('wheel', {deltaY, ctrlKey, bubbles: true, cancelable: true}))"""
    over = chart.locator(".u-over")
    whole = drawn(page)
    assert over.evaluate(wheel, [-100, False]) is True
    assert drawn(page) == whole
    assert over.evaluate(wheel, [-100, True]) is False
    assert drawn(page) != whole
    chart.focus()
    page.keyboard.press("0")
    assert over.evaluate(wheel, [100, False]) is True
    assert over.evaluate(wheel, [-100, False]) is False
    assert drawn(page) != whole


def test_two_fingers_zoom_the_chart(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    chart = page.get_by_role("group", name="Loss chart")
    expect(chart.locator("canvas")).to_be_visible()
    whole = drawn(page)
    chart.locator(".u-over").evaluate(
        """(over) => {
          const left = over.getBoundingClientRect().left;
          const touch = (type, pointerId, x) => over.dispatchEvent(
            new PointerEvent(type, {pointerType: 'touch', pointerId, clientX: left + x, bubbles: true}));
          touch('pointerdown', 1, 200); touch('pointerdown', 2, 260);
          touch('pointermove', 1, 120); touch('pointermove', 2, 340);
          touch('pointerup', 1, 120); touch('pointerup', 2, 340);
        }"""
    )
    assert drawn(page) != whole


def test_the_curve_is_drawn_calm_or_as_it_is_and_on_a_logarithmic_axis(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    expect(page.get_by_role("group", name="Loss chart").locator("canvas")).to_be_visible()
    seen = {drawn(page)}
    for name, pressed in (("Smooth", "false"), ("Log scale", "true"), ("Same axes", "false")):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", pressed)
        seen.add(drawn(page))
    assert len(seen) == 4


def test_the_curve_is_also_a_table(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    page.get_by_text("Values as a table").click()
    rows = page.get_by_role("group", name="Loss values").get_by_role("row")
    expect(rows.last).to_contain_text("520")
    expect(rows.last.get_by_role("cell").nth(1)).to_have_text("0.3349")
    assert 30 < rows.count() <= 61


WATCH_MOTION = """() => {
  window.moved = [];
  const own = Element.prototype.animate;
  Element.prototype.animate = function (...values) {
    window.moved.push(this.closest('.kpi, .metric-table, .money')?.className);
    return own.apply(this, values);
  };
}"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_changed_values_flash_unless_motion_is_unwanted(site: Site, open_page: Opener, motion: str) -> None:
    page = open_page()
    page.emulate_media(reduced_motion=motion)  # type: ignore[arg-type]
    job_id = site.id_of("running")
    flows.open_job(page, site.origin, job_id)
    page.evaluate(WATCH_MOTION)
    site.world.advance(job_id, 60)
    poll_now(page)
    expect(page.get_by_text("Step 580 of 942")).to_be_visible()
    moved = set(page.evaluate("window.moved"))
    expected = {"card kpi", "table metric-table", "money"} if motion == "no-preference" else set()
    assert moved == expected


def test_the_end_of_a_stage_is_told(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page)
    expect(page.get_by_text("Step 520 of 942")).to_be_visible()
    with site.world.lock:
        job = site.world.jobs[job_id]
        job["stages"][2].update(state="completed", progress=1.0, duration_seconds=1700)
        job["stages"][3].update(state="active", started_at=site.world.tick())
        job.update(stage="finalization", changed_at=site.world.tick())
    poll_now(page)
    expect(page.locator("#toasts")).to_contain_text(
        "Training stage updated: Training complete, finalization started"
    )
    expect(page.locator("#announce")).to_contain_text("Current stage: Finalization")


def test_the_graph_is_saved_as_a_large_png(site: Site, open_page: Opener) -> None:
    page, _ = open_running(site, open_page)
    expect(page.get_by_role("group", name="Loss chart").locator("canvas")).to_be_visible()
    with page.expect_download() as started:
        page.locator("#export-graph").click()
    saved = Path(started.value.path()).read_bytes()
    assert struct.unpack(">II", saved[16:24]) == (2000, 1200)
    assert started.value.suggested_filename.startswith(
        "Elena-Morales-Financial-Balanced-2026-11-22-loss-curve-"
    )


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
