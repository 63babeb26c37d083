"""Trying an ended job again, cloning one, what a failed job shows, and the checkpoints that are left."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.test_jobs_selection import LIST, menu
from tests.frontend.test_pages import accessibility_findings

pytestmark = pytest.mark.browser


def open_ended(site: Site, open_page: Opener, status: str, query: str = "") -> Page:
    return open_page(f"/training-jobs/{site.id_of(status)}{query}")


def retries(site: Site) -> list[dict[str, object]]:
    return [r["body"] for r in site.world.requests if r["method"] == "POST" and r["path"].endswith("/retry")]


def test_a_failed_job_offers_suggestions_with_their_prices(site: Site, open_page: Opener) -> None:
    page = open_ended(site, open_page, "failed")
    page.locator("#retry-job").click()
    dialog = page.get_by_role("dialog", name="Retry with Suggestions")
    expect(dialog.get_by_role("radio")).to_have_count(3)
    expect(dialog.get_by_role("radio", name="Smaller batch")).to_be_checked()
    expect(dialog).to_contain_text("Suggested")
    expect(dialog).to_contain_text("$4.20 – $6.02")
    assert accessibility_findings(page) == []
    start = page.locator("#retry-start")
    for name in ("configuration", "cost", "budget"):
        expect(start).to_be_disabled()
        page.locator(f"#retry-{name}").check()
    expect(start).to_be_enabled()
    # Another choice is another price, which was not agreed to yet.
    dialog.get_by_role("radio", name="A GPU with more memory").check()
    expect(start).to_be_disabled()
    expect(dialog).to_contain_text("Resuming from checkpoint of failed job may produce unexpected results")
    expect(dialog).to_contain_text("charges up to the spend cap of $4.67")
    assert retries(site) == []
    for name in ("configuration", "cost", "budget"):
        page.locator(f"#retry-{name}").check()
    start.click()
    flows.wait_for_badge(page, "Queued")
    (sent,) = retries(site)
    assert (sent["from_checkpoint"], sent["gpu"]) == (True, {"type": "NVIDIA H100 NVL", "tier": "spot"})
    assert sent["start"] == {"acknowledged": {"configuration": True, "cost": True, "budget": True}}
    assert sent["spend_cap_usd"] == "4.67"
    link = page.get_by_role("link", name=re.compile("Retry of Refund policy.* from step 500"))
    expect(link).to_have_attribute("href", f"/training-jobs/{site.id_of('failed')}")


def test_a_retry_can_be_edited_first_and_starts_nothing(site: Site, open_page: Opener) -> None:
    page = open_ended(site, open_page, "failed")
    page.get_by_role("button", name="Restart Job").click()
    expect(page.get_by_role("radio", name="The same again")).to_be_checked()
    page.locator("#retry-edit").click()
    page.wait_for_url("**/configure")
    expect(page.get_by_label("Job name")).to_have_value(re.compile(r"\(retry\)$"))
    assert "start" not in retries(site)[0]


def test_a_draft_that_goes_on_from_a_checkpoint_keeps_its_settings(site: Site, open_page: Opener) -> None:
    page = open_ended(site, open_page, "failed")
    page.get_by_role("alert").get_by_role("button", name="Retry from This Stage").click()
    expect(page.get_by_role("radio", name="A GPU with more memory")).to_be_checked()
    page.locator("#retry-edit").click()
    page.wait_for_url("**/configure")
    expect(page.get_by_text("Goes on from step 500 of")).to_be_visible()
    assert page.locator("#advanced").evaluate("part => part.inert")
    expect(page.locator("#base-model")).to_be_disabled()
    expect(page.locator("#gpu-type")).to_be_enabled()
    expect(page.locator("#estimate-total")).to_be_visible()
    asked = [r["body"] for r in site.world.requests if r["path"] == "/api/jobs/estimate"]
    assert asked[0]["job_id"].startswith("job_")
    assert accessibility_findings(page) == []


def test_a_refused_retry_says_why_and_keeps_the_dialog(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page = open_ended(site, open_page, "failed")
    page.locator("#retry-job").click()
    for name in ("configuration", "cost", "budget"):
        page.locator(f"#retry-{name}").check()
    site.world.failing.add("/jobs")
    page.locator("#retry-start").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("The service is busy")
    expect(page.locator("#retry-cost")).to_be_checked()


def test_menus_of_ended_jobs_offer_what_fits(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    assert "Retry with Suggestions" in menu(page, "Refund policy")
    page.keyboard.press("Escape")
    assert {"Retry", "Clone"} <= set(menu(page, "Support tickets"))
    page.keyboard.press("Escape")
    assert "Clone Configuration" in menu(page, "Onboarding tone")
    page.get_by_role("menuitem", name="Clone Configuration").click()
    page.wait_for_url("**/configure")
    expect(page.get_by_label("Job name")).to_have_value("Onboarding tone - Conservative - 2026-11-21 (copy)")
    expect(page.get_by_role("status").get_by_text("A copy of")).to_contain_text("Onboarding tone")


def test_a_failed_stage_says_what_failed_and_opens_its_log(site: Site, open_page: Opener) -> None:
    page = open_ended(site, open_page, "failed")
    failed = page.locator(".stage-error")
    expect(failed).to_contain_text("Failed: Out of Memory")
    expect(failed).to_contain_text("CUDA out of memory at step 521")
    expect(page.locator(".stage[data-state=failed] small")).to_have_text("Failed: Out of Memory")
    failed.get_by_role("button", name="View Details").click()
    dialog = page.get_by_role("dialog", name="Training")
    expect(dialog).to_contain_text("Training failed: Out of Memory")
    expect(dialog.locator(".log-row").first).to_contain_text("training")
    expect(dialog.get_by_role("button", name="Retry from This Stage")).to_be_visible()
    assert accessibility_findings(page) == []
    dialog.locator(".log-row summary").first.press("Enter")
    expect(dialog.locator(".payload")).to_be_visible()


def test_a_stage_opens_its_timestamped_log(site: Site, open_page: Opener) -> None:
    page = open_page(f"/training-jobs/{site.id_of('running')}")
    stages = page.get_by_role("list", name="Stages").get_by_role("button")
    stages.nth(0).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Preprocessing completed in 2m 0s")
    expect(dialog.get_by_role("list", name="Events").locator("time").first).to_be_visible()
    page.keyboard.press("Escape")
    stages.nth(3).click()
    expect(page.get_by_role("dialog")).to_contain_text("Finalization pending...")
    expect(page.get_by_role("dialog")).to_contain_text("Nothing was logged.")


def test_the_full_error_log_is_one_click_away(site: Site, open_page: Opener) -> None:
    page = open_ended(site, open_page, "failed")
    page.get_by_role("button", name="View Error Details").click()
    dialog = page.get_by_role("dialog", name="Out of Memory")
    expect(dialog.get_by_role("heading", name="Errors and warnings")).to_be_visible()
    expect(dialog.locator(".log-row").first).to_contain_text("running → failed")
    dialog.get_by_role("button", name="Open event log").click()
    expect(page.get_by_role("heading", name="Event log")).to_be_visible()


def test_a_cancelled_job_says_how_far_its_last_checkpoint_was(site: Site, open_page: Opener) -> None:
    page = open_ended(site, open_page, "cancelled", "?tab=artifacts")
    expect(page.get_by_text("500, 20 steps before the end")).to_be_visible()
    expect(page.get_by_role("button", name="Download Last Checkpoint")).to_be_visible()
    earlier = page.get_by_role("button", name="Download the checkpoint of step 400")
    with page.expect_download():
        earlier.click()
    assert any(r["path"].endswith("/checkpoints/400/download") for r in site.world.requests)


def test_a_reader_without_rights_is_offered_a_clone_only(site: Site, open_page: Opener) -> None:
    site.world.jobs[site.id_of("failed")]["allowed_actions"] = ["clone"]
    page = open_ended(site, open_page, "failed")
    expect(page.locator("#clone-job")).to_be_visible()
    expect(page.locator("#retry-job")).to_have_count(0)
    expect(page.get_by_role("button", name="Restart Job")).to_have_count(0)
