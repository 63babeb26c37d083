"""The main flow as a person goes through it, in Chromium, on the running product under its own policy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.test_pages import accessibility_findings, settle
from tests.stack.conftest import Opener, look
from tests.stack.world import World, example_rows

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.slow]

TRAINS_MS = 400_000


def _configure(page: Page, origin: str, dataset_id: str, name: str, epochs: int) -> str:
    """A job on the tiny model, started from the page; its id."""
    flows.configure(page, origin, dataset_id, name=name, preset="conservative")
    page.locator("#base-model").select_option("tiny-llama")
    flows.set_parameter(page, "epochs", epochs)
    page.get_by_label("Job name").fill(name)
    return flows.review_and_start(page)


def test_sign_in_upload_train_watch_cancel_another_and_download(
    world: World, open_browser: Opener, tmp_path: Path
) -> None:
    outputs = world.outputs
    origin = outputs["site_url"]
    page = open_browser()
    flows.sign_in(page, origin, outputs["owner_email"], outputs["owner_password"])

    rows = tmp_path / "harbour-browser.jsonl"
    rows.write_bytes(example_rows())
    dataset_id = flows.upload_dataset(page, origin, rows)
    expect(page.get_by_text("Ready for Training")).to_be_visible()
    look(page, "dataset")

    first = _configure(page, origin, dataset_id, "Watched in the browser", 12)
    page.wait_for_selector("#job-badge")
    flows.wait_for_badge(page, "Training", timeout_ms=TRAINS_MS)
    # The curve moves while nobody touches the page: two different steps are shown.
    steps = page.get_by_text(re.compile(r"^Step [1-9][0-9]* of")).first
    expect(steps).to_be_visible(timeout=TRAINS_MS)
    seen = steps.inner_text()
    done, total = re.findall(r"[0-9]+", seen)[:2]
    # A machine that trains faster than the page asks shows the end at once.
    if done != total:
        expect(steps).not_to_have_text(seen, timeout=TRAINS_MS)
    look(page, "training")

    second_page = open_browser(scheme="dark", width=390)
    flows.sign_in(second_page, origin, outputs["owner_email"], outputs["owner_password"])
    second = _configure(second_page, origin, dataset_id, "Cancelled in the browser", 20)
    flows.cancel_job(second_page, notes="picked the wrong file")
    flows.wait_for_badge(second_page, "Cancelled", timeout_ms=90_000)
    look(second_page, "cancelled-dark-390")
    assert world.api.job(second)["cancellation"]["notes"] == "picked the wrong file"

    flows.wait_for_badge(page, "Completed", timeout_ms=TRAINS_MS)
    look(page, "completed")
    model_id = world.api.job(first)["model_id"]
    download = flows.download_model(page, origin, model_id, "adapter_model.safetensors")
    body = Path(download.path()).read_bytes()
    files = {file["name"]: file for file in world.api.get(f"/models/{model_id}")["files"]}
    assert hashlib.sha256(body).hexdigest() == files["adapter_model.safetensors"]["sha256"]
    look(page, "model")

    for scheme in ("light", "dark"):
        looker = open_browser(scheme=scheme)
        flows.open_sign_in_link(looker, f"{origin}/sign-in#access_token={outputs['token']}")
        for path in (
            "/dashboard/training-jobs",
            f"/training-jobs/{first}",
            f"/training-jobs/{second}",
            f"/training-jobs/{first}?tab=event-log",
            f"/training-jobs/new?dataset={dataset_id}",
            "/datasets",
            f"/datasets/{dataset_id}",
            "/models",
            f"/models/{model_id}",
        ):
            looker.goto(origin + path)
            settle(looker)
            assert accessibility_findings(looker) == [], f"{path} in {scheme}"
            look(looker, f"{path.strip('/').replace('/', '-').replace('?', '-')}-{scheme}")
