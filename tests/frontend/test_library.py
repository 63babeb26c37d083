"""Datasets, models, notifications and settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_server import wait_until

pytestmark = pytest.mark.browser

LINE = '{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello!"}]}\n'

DROP_A_FILE = """(line) => {
  const data = new DataTransfer();
  data.items.add(new File([line.repeat(60)], 'dropped.jsonl'));
  const drop = new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
  document.querySelector('.drop').dispatchEvent(drop);
}"""


def test_a_file_is_uploaded_to_storage_checked_and_shown(
    site: Site, open_page: Opener, tmp_path: Path
) -> None:
    file = tmp_path / "support_tickets.jsonl"
    file.write_text(LINE * 60)
    page = open_page()
    dataset_id = flows.upload_dataset(page, site.origin, file)
    assert site.world.uploads[dataset_id] == file.read_bytes()
    expect(page.get_by_role("heading", name="Support tickets", level=1)).to_be_visible()
    expect(page.get_by_text("✓ Ready for Training")).to_be_visible()
    expect(page.locator(".turn.trained").first).to_contain_text("Hello!")
    page.get_by_role("link", name="Train on this dataset").click()
    expect(page.locator("#estimate-total")).to_be_visible()


def test_a_rejected_file_names_line_field_problem_and_remedy(
    site: Site, open_page: Opener, tmp_path: Path
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(LINE.replace("assistant", "bot") * 60)
    page = open_page()
    flows.upload_dataset(page, site.origin, file)
    errors = page.get_by_role("region", name="Errors")
    expect(errors).to_contain_text("Line 17")
    expect(errors).to_contain_text("messages[2].role")
    expect(errors).to_contain_text("Use system, user, assistant or tool.")
    expect(page.get_by_role("link", name="Train on this dataset")).to_have_count(0)


def test_a_file_of_another_kind_is_refused_before_the_upload(
    site: Site, open_page: Opener, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_text("a,b\n")
    page = open_page("/datasets")
    page.locator("#file").set_input_files(str(file))
    expect(page.get_by_role("region", name="Messages")).to_contain_text("is not a JSON Lines file")
    assert not [r for r in site.world.requests if r["method"] == "POST"]


def test_an_upload_that_storage_refuses_can_be_tried_again(
    site: Site, open_page: Opener, tmp_path: Path
) -> None:
    site.allowed = ("403",)
    file = tmp_path / "talks.jsonl"
    file.write_text(LINE * 60)
    site.world.rejecting.add(f"ds_{site.world.counter + 1:016d}")
    page = open_page("/datasets")
    page.locator("#file").set_input_files(str(file))
    expect(page.get_by_text("Storage refused the file (403).")).to_be_visible()
    site.world.rejecting.clear()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("tr", has_text="Talks").get_by_text("Ready")).to_be_visible()


def test_a_dropped_file_is_uploaded(site: Site, open_page: Opener) -> None:
    page = open_page("/datasets")
    page.evaluate(DROP_A_FILE, LINE)
    expect(page.locator("tr", has_text="Dropped").get_by_text("Ready")).to_be_visible()


def test_a_dataset_is_deleted_after_asking(site: Site, open_page: Opener) -> None:
    dataset_id = list(site.world.datasets)[1]
    page = open_page(f"/datasets/{dataset_id}")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Go Back")).to_be_focused()
    page.get_by_role("button", name="Delete dataset").click()
    page.wait_for_url("**/datasets")
    assert dataset_id not in site.world.datasets


def test_the_preview_has_pages(site: Site, open_page: Opener) -> None:
    page = open_page(f"/datasets/{next(iter(site.world.datasets))}")
    expect(page.locator(".talk").first).to_contain_text("Line 1")
    page.get_by_role("button", name="Next conversations").click()
    expect(page.locator(".talk").first).to_contain_text("Line 6")


def test_models_are_listed_sorted_and_downloaded(site: Site, open_page: Opener) -> None:
    site.world.add_model(name="A weaker one")["quality"].update(score=2.0, stars=2.0)
    page = open_page("/models")
    expect(page.locator(".model-card").first).to_contain_text("A weaker one")
    page.get_by_label("Sort").select_option("quality")
    expect(page.locator(".model-card").last).to_contain_text("A weaker one")
    expect(page.get_by_text("3 models total")).to_be_visible()
    model_id = next(iter(site.world.models))
    download = flows.download_model(page, site.origin, model_id, "adapter_model.safetensors")
    assert download.suggested_filename == "adapter_model.safetensors"


def test_all_files_of_a_model_are_downloaded_at_once(site: Site, open_page: Opener) -> None:
    page = open_page(f"/models/{next(iter(site.world.models))}")
    names = []
    page.on("download", lambda download: names.append(download.suggested_filename))
    page.locator("#download-all").click()
    expect(page.locator("#toasts")).to_contain_text("2 files downloading.")
    expect(page.locator("#download-all")).to_be_enabled()
    assert sorted(names) == ["adapter_config.json", "adapter_model.safetensors"]


def test_a_model_shows_its_quality_parts_samples_and_worst_rows(site: Site, open_page: Opener) -> None:
    page = open_page(f"/models/{next(iter(site.world.models))}")
    expect(page.get_by_text("93% of the loss drop was reached and the curve is flat.")).to_be_visible()
    expect(page.get_by_role("img", name="4.5 of 5 stars")).to_be_visible()
    expect(page.locator(".answer.adapter")).to_contain_text("In Porto.")
    expect(page.get_by_role("region", name="Worst rows")).to_contain_text("2.9000")


def test_a_failed_download_says_why(site: Site, open_page: Opener) -> None:
    site.allowed = ("503",)
    page = open_page(f"/models/{next(iter(site.world.models))}")
    expect(page.locator("#download-all")).to_be_visible()
    site.world.failing.add("/models")
    page.locator("#download-all").click()
    expect(page.get_by_role("region", name="Messages")).to_contain_text(
        "Download Error. The service is busy."
    )


def test_the_bell_counts_lists_and_marks_as_read(site: Site, open_page: Opener) -> None:
    page = open_page("/models")
    bell = page.locator("#bell")
    expect(bell).to_have_accessible_name("Notifications, 1 unread")
    bell.click()
    panel = page.get_by_role("dialog", name="Notifications")
    expect(panel).to_contain_text("Training Completed")
    panel.get_by_role("button", name="Mark all read").click()
    expect(bell).to_have_accessible_name("Notifications")
    wait_until(lambda: all(note["read"] for note in site.world.notifications), 10)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_the_notifications_page_filters_and_follows(site: Site, open_page: Opener) -> None:
    for number in range(25):
        site.world.notify("job_started", f"Started {number}", "Your training job has started", "job_x")
    page = open_page("/notifications")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("main .note")).to_have_count(26)
    page.get_by_role("button", name="Unread 26").click()
    assert "unread=true" in page.url


def test_the_profile_changes_name_zone_and_theme(site: Site, open_page: Opener) -> None:
    page = open_page("/settings")
    page.get_by_label("Name", exact=True).fill("Dana R.")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_role("button", name="Save profile").click()
    expect(page.locator("#toasts")).to_contain_text("Profile saved")
    assert site.world.user["name"] == "Dana R."
    page.get_by_role("group", name="Theme").get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{site.origin}/models/{next(iter(site.world.models))}")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_text("2026-11-22 19:50")).to_be_visible()


def test_an_api_token_is_shown_once_and_can_be_revoked(site: Site, open_page: Opener) -> None:
    page = open_page("/settings")
    page.locator("#token-name").fill("nightly evaluation")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("#new-token")).to_contain_text("lp_")
    page.reload()
    expect(page.locator("tr", has_text="nightly evaluation")).to_be_visible()
    expect(page.locator("#new-token")).to_have_count(0)
    page.get_by_role("button", name="Revoke nightly evaluation").click()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.locator("tr", has_text="nightly evaluation")).to_have_count(0)


def test_the_guide_computes_while_its_sliders_move(site: Site, open_page: Opener) -> None:
    page = open_page("/docs/hyperparameters-explained")
    expect(page.locator("#preset-table")).to_contain_text("Balanced")
    rank = page.locator("#try-rank input")
    rank.fill("32")
    expect(page.locator("#try-rank output")).to_contain_text("33,554,432")
