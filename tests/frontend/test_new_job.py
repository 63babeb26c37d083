"""From a dataset to a job: estimate, review, draft; money is asked for only once."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site

pytestmark = pytest.mark.browser


def dataset_of(site: Site) -> str:
    return str(next(d["id"] for d in site.world.datasets.values() if d["status"] == "ready"))


def created(site: Site) -> list[dict[str, object]]:
    return [r["body"] for r in site.world.requests if r["method"] == "POST" and r["path"] == "/api/jobs"]


def test_a_job_goes_from_dataset_to_queue(site: Site, open_page: Opener) -> None:
    page = open_page()
    job_id = flows.configure_and_start(page, site.origin, dataset_of(site), name="First real run")
    flows.wait_for_badge(page, "Queued")
    job = site.world.jobs[job_id]
    assert job["name"] == "First real run"
    (body,) = created(site)
    assert body["start"] == {"acknowledged": {"configuration": True, "cost": True, "budget": True}}
    assert body["spend_cap_usd"] == "7.23"
    expect(page.get_by_text("No metrics data available yet.").first).to_be_visible()


def test_nothing_can_be_reviewed_before_a_dataset_is_chosen(site: Site, open_page: Opener) -> None:
    page = open_page()
    page.clock.set_fixed_time("2026-11-22T12:00:00Z")
    page.goto(f"{site.origin}/training-jobs/new")
    expect(page.locator("#review")).to_be_disabled()
    rejected = page.locator("label", has_text="Broken export").locator("input")
    expect(rejected).to_be_disabled()
    page.locator("label", has_text="Elena Morales Financial").click()
    expect(page.locator("#estimate-total")).to_have_text("$4.20 – $6.02")
    expect(page.get_by_label("Job name")).to_have_value("Elena Morales Financial - Balanced - 2026-11-22")


def test_a_change_updates_the_estimate_and_says_by_how_much(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    flows.set_parameter(page, "epochs", 6)
    expect(page.locator("#estimate-total")).to_have_text("$8.40 – $12.04")
    expect(page.get_by_text("↑ $5.02 higher than previous estimate (100%)")).to_be_visible()
    expect(page.get_by_text("1 changed")).to_be_visible()
    page.get_by_role("button", name="Back to the preset").click()
    expect(page.get_by_text("↓ $5.02 savings vs previous (50%)")).to_be_visible()


def test_the_on_demand_tier_is_priced_and_sent(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    page.locator("label", has_text="On-Demand Instance").click()
    expect(page.locator("#estimate-total")).to_have_text("$6.10 – $8.70")
    flows.review_and_start(page)
    assert created(site)[0]["gpu"] == {"type": "NVIDIA H100 PCIe", "count": 1, "tier": "on_demand"}
    assert created(site)[0]["export_merged"] is False


def test_a_merged_model_is_made_when_asked_for(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    page.get_by_label("Also export a merged model (about 16.1 GB)").check()
    flows.review_and_start(page)
    assert created(site)[0]["export_merged"] is True


def test_a_refused_value_is_shown_at_its_field(site: Site, open_page: Opener) -> None:
    site.allowed = ("422",)
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    flows.set_parameter(page, "epochs", 50)
    expect(page.locator(".params").get_by_role("alert")).to_have_text("Must be between 1 and 20.")
    expect(page.locator("#p-epochs")).to_have_attribute("aria-invalid", "true")


def test_starting_needs_all_three_confirmations(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    page.locator("#review:enabled").click()
    start = page.locator("#start-training")
    for name in ("configuration", "cost"):
        page.locator(f"#ack-{name}").press("Enter")
        expect(page.locator(f"#ack-{name}")).to_be_checked()
        expect(start).to_be_disabled()
    page.locator("#ack-budget").check()
    expect(start).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("#review")).to_be_focused()
    assert created(site) == []


def test_a_start_tried_again_after_a_failure_carries_the_same_key(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page = open_page()
    keys: list[str | None] = []
    page.on(
        "request",
        lambda r: keys.append(r.headers.get("idempotency-key")) if r.url.endswith("/api/jobs") else None,
    )
    flows.configure(page, site.origin, dataset_of(site))
    page.locator("#review:enabled").click()
    for name in ("configuration", "cost", "budget"):
        page.locator(f"#ack-{name}").check()
    site.world.failing.add("/jobs")
    page.locator("#start-training").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("The service is busy")
    site.world.failing.clear()
    page.locator("#start-training").click()
    page.wait_for_url("**/training-jobs/job_*")
    assert len(keys) == 2
    assert keys[0] == keys[1] is not None


def test_a_draft_is_saved_reopened_changed_and_started(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site), name="A draft")
    flows.set_parameter(page, "epochs", 5)
    page.get_by_label("Experimental notes").fill("shorter is better")
    page.locator("#save-draft").click()
    page.wait_for_url("**/configure")
    expect(page.get_by_label("Job name")).to_have_value("A draft")
    expect(page.get_by_label("Experimental notes")).to_have_value("shorter is better")
    expect(page.get_by_text("1 changed")).to_be_visible()
    page.get_by_label("Job name").fill("A better draft")
    job_id = flows.review_and_start(page)
    assert site.world.jobs[job_id]["name"] == "A better draft"
    assert site.world.jobs[job_id]["status"] == "queued"


def test_a_short_name_is_refused_with_the_reason(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site), name="ab")
    page.locator("#review:enabled").click()
    expect(page.locator("#form").get_by_role("alert")).to_have_text(
        "Job name must be between 3 and 100 characters"
    )
    expect(page.get_by_label("Job name")).to_be_focused()
    expect(page.locator("dialog")).to_have_count(0)


def test_tags_are_added_refused_and_removed(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    tags = page.locator("#tag-input")
    tags.fill("Client-Delivery")
    tags.press("Enter")
    expect(page.get_by_role("button", name="Remove tag client-delivery")).to_be_visible()
    tags.fill("x")
    tags.press("Enter")
    expect(page.locator(".pill")).to_have_count(1)
    page.get_by_role("button", name="Remove tag client-delivery").click()
    expect(page.locator(".pill")).to_have_count(0)


def test_unsaved_notes_survive_a_reload(site: Site, open_page: Opener) -> None:
    page = open_page()
    flows.configure(page, site.origin, dataset_of(site))
    page.get_by_label("Experimental notes").fill("do not lose me")
    page.reload()
    expect(page.get_by_label("Experimental notes")).to_have_value("do not lose me")


def test_an_estimate_that_fails_can_be_tried_again(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    site.world.failing.add("/jobs/estimate")
    page = open_page(f"/training-jobs/new?dataset={dataset_of(site)}")
    expect(page.get_by_text("Cost estimation failed.")).to_be_visible()
    expect(page.locator("#review")).to_be_disabled()
    site.world.failing.clear()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#estimate-total")).to_be_visible()


def test_the_estimate_stays_in_view_while_scrolling(site: Site, open_page: Opener) -> None:
    for width in (1440, 390):
        page = open_page(width=width)
        flows.configure(page, site.origin, dataset_of(site))
        page.get_by_label("Spend cap (USD)").scroll_into_view_if_needed()
        expect(page.locator("#estimate-total")).to_be_in_viewport()
