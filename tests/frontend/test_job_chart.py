"""The job's chart under every hand and key, and what moves on the page when numbers change."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.test_job_page import open_running, poll_now

pytestmark = pytest.mark.browser


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


def test_the_other_metrics_have_curves_under_one_cursor(site: Site, open_page: Opener) -> None:
    page, job_id = open_running(site, open_page, "metrics")
    card = page.get_by_role("region", name="Curves")
    expect(card.get_by_role("img", name=re.compile("^Learning rate: 0.0002 at first"))).to_be_visible()
    expect(card.locator(".curve")).to_have_count(5)
    expect(card.locator("canvas").nth(4)).to_be_visible()
    box = card.locator(".u-over").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    expect(card.locator("header")).to_contain_text(re.compile("Step 2[56][0-9]"))
    site.world.advance(job_id, 60)
    page.mouse.move(0, 0)
    poll_now(page)
    expect(card.get_by_role("img", name=re.compile("over 580 steps$"))).to_have_count(5)


def test_a_metric_that_was_never_reported_has_no_curve(site: Site, open_page: Opener) -> None:
    job_id = site.id_of("running")
    columns = site.world.points[job_id]
    columns["gpu_memory_gb"] = [None for _ in columns["step"]]
    page, _ = open_running(site, open_page, "metrics")
    expect(page.locator(".curve")).to_have_count(4)
    page.get_by_role("tab", name="Overview").click()
    expect(page.get_by_role("group", name="Loss chart").locator("canvas")).to_be_visible()
