"""Choosing jobs of the list and acting on many at once; the menus of one; the CSV file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.test_pages import accessibility_findings

pytestmark = pytest.mark.browser

LIST = "/dashboard/training-jobs"


def row(page: Page, name: str) -> Locator:
    return page.locator(".jobs tbody tr", has_text=name)


def select(page: Page, *names: str) -> None:
    for name in names:
        row(page, name).get_by_role("checkbox").check()


def says(page: Page, text: str) -> None:
    expect(page.get_by_role("region", name="Selected jobs")).to_contain_text(text)


def sent(site: Site, path: str) -> list[Any]:
    return [request["body"] for request in site.world.requests if request["path"] == path]


def saved(page: Page, press: Locator) -> list[list[str]]:
    with page.expect_download() as started:
        press.click()
    assert started.value.suggested_filename.startswith("training-jobs-export-")
    with Path(started.value.path()).open(newline="") as file:
        return list(csv.reader(file))


def test_rows_and_the_page_are_selected_and_left_again(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    select(page, "Refund policy", "Support tickets")
    says(page, "2 jobs selected")
    whole = page.get_by_label("Select all jobs of this page")
    assert whole.evaluate("box => box.indeterminate")
    whole.check()
    says(page, "4 jobs selected")
    page.get_by_role("button", name="Clear Selection").click()
    expect(page.locator(".bulk-bar")).to_have_count(0)
    assert page.url.endswith(LIST)


def test_all_that_match_are_selected_beyond_the_page(site: Site, open_page: Opener) -> None:
    for number in range(120):
        site.world.add_job("job_failed", name=f"Extra {number}")
    page = open_page(f"{LIST}?status=failed")
    page.get_by_label("Select all jobs of this page").check()
    says(page, "25 jobs selected")
    page.get_by_role("button", name="Select all 121").click()
    says(page, "121 jobs selected")
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_label("Select all jobs of this page")).to_be_checked()
    page.get_by_role("tab", name="All jobs").click()
    expect(page.locator(".bulk-bar")).to_have_count(0)


def test_space_selects_the_row_with_the_focus_and_shift_takes_a_range(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    link = row(page, "Refund policy").locator(".job-name")
    link.focus()
    page.keyboard.press("Space")
    says(page, "1 job selected")
    page.keyboard.press("Space")
    expect(page.locator(".bulk-bar")).to_have_count(0)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/training-jobs/{site.id_of('failed')}")
    page.go_back()
    boxes = page.locator(".jobs tbody input[type=checkbox]")
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    says(page, "3 jobs selected")


def test_deleting_many_asks_counts_and_says_which_did_not_go(site: Site, open_page: Opener) -> None:
    for number in range(11):
        site.world.add_job("job_failed", name=f"Extra {number}")
    site.world.add_job("job_failed", name="Guarded one")
    page = open_page(f"{LIST}?status=failed")
    page.get_by_label("Select all jobs of this page").check()
    page.get_by_role("button", name="Delete 13").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete 13 jobs?")
    expect(dialog).to_contain_text("This cannot be undone.")
    expect(dialog).to_contain_text("and 7 more")
    expect(dialog.get_by_role("button", name="Go Back")).to_be_focused()
    dialog.get_by_role("button", name="Delete 13 jobs").click()
    expect(dialog).to_contain_text("12 of 13 jobs deleted")
    expect(dialog).to_contain_text("Only the person who made this job")
    assert accessibility_findings(page) == []
    assert [len(body["job_ids"]) for body in sent(site, "/api/jobs/bulk")] == [2] * 6 + [1]
    next(job for job in site.world.jobs.values() if job["name"] == "Guarded one")["name"] = "Freed one"
    dialog.get_by_role("button", name="Try Again").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(sent(site, "/api/jobs/bulk")[-1]["job_ids"]) == 1
    expect(page.get_by_text("No jobs match your filters.")).to_be_visible()


def test_cancelling_many_needs_a_reason_and_leaves_ended_jobs_alone(site: Site, open_page: Opener) -> None:
    site.world.add_job(name="Second one")
    page = open_page(LIST)
    page.get_by_label("Select all jobs of this page").check()
    page.get_by_role("button", name="Cancel 2").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 selected jobs are left alone")
    expect(dialog).to_contain_text("Total cost spent: $2.46")
    assert accessibility_findings(page) == []
    confirm = dialog.get_by_role("button", name="Cancel 2 jobs")
    expect(confirm).to_be_disabled()
    dialog.get_by_label("Why are you cancelling?").select_option("wrong_configuration")
    dialog.get_by_label("Additional details").fill("wrong dataset")
    dialog.get_by_label("I understand").check()
    confirm.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    asked = sent(site, "/api/jobs/bulk")
    assert {(body["action"], body["reason"], body["notes"]) for body in asked} == {
        ("cancel", "wrong_configuration", "wrong dataset")
    }
    assert sum(job["status"] == "cancelling" for job in site.world.jobs.values()) == 2


def test_an_outage_while_deleting_leaves_the_jobs_to_try_again(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page = open_page(LIST)
    select(page, "Refund policy")
    page.get_by_role("button", name="Delete 1").click()
    site.world.failing.add("/jobs/bulk")
    page.get_by_role("button", name="Delete 1 job", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("The service is busy")
    site.world.failing.clear()
    page.get_by_role("button", name="Try Again").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(3)


def test_two_to_four_jobs_are_compared(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    select(page, "Refund policy")
    expect(page.get_by_role("button", name="Compare")).to_be_disabled()
    select(page, "Support tickets")
    ids = [site.id_of("failed"), site.id_of("completed")]
    with page.expect_navigation(url=f"**/training-jobs/compare?ids={','.join(ids)}", wait_until="commit"):
        page.get_by_role("button", name="Compare").click()


def test_the_view_all_jobs_and_chosen_ones_are_saved_as_csv(site: Site, open_page: Opener) -> None:
    page = open_page(f"{LIST}?status=failed")
    expect(page.locator(".jobs tbody tr")).to_have_count(1)
    page.locator("#export").click()
    lines = saved(page, page.get_by_role("menuitem", name="Export this view (1 job)"))
    assert [line[1] for line in lines[1:]] == ["Refund policy - Aggressive - 2026-11-20"]
    page.locator("#export").click()
    assert len(saved(page, page.get_by_role("menuitem", name="Export all jobs"))) == 5
    page.get_by_role("button", name="Clear All Filters").click()
    select(page, "Support tickets", "Onboarding tone")
    assert len(saved(page, page.get_by_role("button", name="Export CSV"))) == 3
    assert sorted(sent(site, "/api/exports")[-1]["filters"]["job_ids"]) == sorted(
        [site.id_of("completed"), site.id_of("cancelled")]
    )


def test_a_large_file_comes_from_storage(site: Site, open_page: Opener) -> None:
    site.world.failing.add("large")
    page = open_page(LIST)
    page.locator("#export").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="Export all jobs").click()
    assert started.value.suggested_filename.startswith("training-jobs-export-")


def test_a_right_click_offers_the_address_and_the_id(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    row(page, "Refund policy").locator(".c-cost").click(button="right")
    assert page.get_by_role("menuitem").all_inner_texts() == [
        "Open", "Open in New Tab", "Copy Job ID", "Copy Job Link",
    ]  # fmt: skip
    page.get_by_role("menuitem", name="Copy Job ID").click()
    expect(page.get_by_text("Job ID copied").last).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == site.id_of("failed")
    expect(row(page, "Refund policy").locator(".job-name")).to_be_focused()


def menu(page: Page, name: str) -> list[str]:
    page.get_by_role("button", name=f"Actions for {name}").click()
    return page.get_by_role("menuitem").all_inner_texts()


def test_the_menu_fits_what_the_job_is(site: Site, open_page: Opener) -> None:
    page = open_page(LIST)
    assert menu(page, "Refund policy")[0] == "View Error Log"
    page.keyboard.press("Escape")
    assert menu(page, "Onboarding tone")[0] == "View Partial Results"
    page.keyboard.press("Escape")
    assert menu(page, "Support tickets")[:3] == ["View Results", "Download Artifacts", "Retry"]
    page.get_by_role("menuitem", name="Compare...").click()
    page.wait_for_url(f"**/training-jobs/compare?ids={site.id_of('completed')}")


def test_a_job_is_paused_and_resumed_from_its_menu(site: Site, open_page: Opener) -> None:
    running = site.id_of("running")
    site.world.jobs[running]["allowed_actions"] = ["pause", "cancel", "edit_metadata"]
    page = open_page(LIST)
    menu(page, "Elena Morales Financial - Balanced")
    page.get_by_role("menuitem", name="Pause Job").click()
    page.get_by_role("button", name="Pause Training").click()
    expect(row(page, "Elena Morales Financial - Balanced")).to_contain_text("Paused")
    menu(page, "Elena Morales Financial - Balanced")
    page.get_by_role("menuitem", name="Resume Job").click()
    page.get_by_role("button", name="Resume Training").click()
    expect(row(page, "Elena Morales Financial - Balanced")).to_contain_text("Queued")


def test_a_tablet_opens_a_row_for_what_it_leaves_out(site: Site, open_page: Opener) -> None:
    page = open_page(LIST, width=820)
    expect(page.locator(".jobs tbody tr")).to_have_count(4)
    for left_out in (".c-config", ".c-time", ".c-by", ".c-start"):
        expect(row(page, "Refund policy").locator(left_out)).to_be_hidden()
    page.get_by_role("button", name="Details of Refund policy").click()
    details = page.locator(".job-details")
    for part in ("Configuration", "Duration", "Created by", "Started"):
        expect(details.get_by_text(part, exact=True)).to_be_visible()
    # The opened row must not squeeze the columns of the others.
    table, name = page.locator(".jobs"), row(page, "Support tickets").locator(".c-name")
    assert name.evaluate("cell => cell.offsetWidth") > 0.4 * table.evaluate("table => table.offsetWidth")
    assert accessibility_findings(page) == []
    page.get_by_role("button", name="Details of Refund policy").click()
    expect(details).to_have_count(0)


def test_a_phone_card_opens_with_a_tap_and_can_be_selected(site: Site, open_page: Opener) -> None:
    page = open_page(LIST, width=390)
    row(page, "Refund policy").locator(".c-status").click()
    expect(page.locator(".job-details")).to_contain_text("Spot H100")
    select(page, "Refund policy")
    says(page, "1 job selected")
    assert accessibility_findings(page) == []
    page.get_by_role("button", name="Actions", exact=True).click()
    assert page.get_by_role("menuitem").all_inner_texts() == ["Delete 1", "Export CSV"]


def test_a_long_export_shows_how_far_it_is(site: Site, open_page: Opener) -> None:
    shape = site.world.jobs[site.id_of("failed")]
    for number in range(1500):
        job_id = f"job_x{number:015d}"
        site.world.jobs[job_id] = {**shape, "id": job_id, "name": f"Extra {number}"}
    page = open_page(LIST)
    shares: list[str] = []

    def note(share: str) -> None:
        shares.append(share)

    page.expose_function("noteShare", note)
    page.evaluate(
        """() => new MutationObserver(() => {
             const bar = document.querySelector('[aria-label=Export]');
             if (bar) window.noteShare(bar.getAttribute('aria-valuenow'));
           }).observe(document.querySelector('#toasts'), {childList: true, subtree: true})"""
    )
    page.get_by_role("button", name="Export", exact=True).click()
    lines = saved(page, page.get_by_role("menuitem", name="Export all jobs"))
    assert len(lines) == 1 + 1504
    assert len({line[0] for line in lines}) == len(lines)
    assert set(shares) == {"66"}
    expect(page.get_by_role("progressbar", name="Export")).to_have_count(0)
    assert [body["offset"] for body in sent(site, "/api/exports")] == [0, 1000]
