"""Steps that people take on the pages, for any server: the fixture site and the running product alike.

Every function waits on what a person would see and returns what the next step needs.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Download, Page, expect

SLOW_MS = 60_000


def sign_in(page: Page, origin: str, email: str, password: str, *, keep: bool = False) -> None:
    """Sign in with e-mail and password and arrive at the jobs list."""
    page.goto(f"{origin}/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    if keep:
        page.get_by_label("Keep me signed in").check()
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard/training-jobs*")


def open_sign_in_link(page: Page, link: str) -> None:
    """Follow a sign-in link with its token in the fragment and arrive at the jobs list."""
    page.goto(link)
    page.wait_for_url("**/dashboard/training-jobs*")
    expect(page.get_by_role("heading", name="Training jobs", level=1)).to_be_visible()


def upload_dataset(page: Page, origin: str, file: Path, *, timeout_ms: int = SLOW_MS) -> str:
    """Upload a file, wait for its check to end and open it; returns the dataset's id."""
    page.goto(f"{origin}/datasets")
    page.locator("#file").set_input_files(str(file))
    row = page.locator("tr", has_text=file.name).first
    expect(row.get_by_text(re.compile("^(Ready|Rejected)$"))).to_be_visible(timeout=timeout_ms)
    row.get_by_role("link").click()
    page.wait_for_url("**/datasets/*")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Dataset")
    return page.url.rsplit("/", 1)[1]


def configure(
    page: Page, origin: str, dataset_id: str, *, name: str | None = None, preset: str | None = None
) -> None:
    """Open the new-job page for a dataset and wait for its estimate."""
    page.goto(f"{origin}/training-jobs/new?dataset={dataset_id}")
    expect(page.locator("#estimate-total")).to_be_visible(timeout=SLOW_MS)
    if preset:
        page.locator(f'input[name="preset"][value="{preset}"]').check(force=True)
    if name:
        page.get_by_label("Job name").fill(name)


def set_parameter(page: Page, parameter: str, value: float) -> None:
    """Type one advanced hyperparameter, e.g. ``epochs``."""
    if page.locator("#advanced").get_attribute("open") is None:
        page.locator("#advanced > summary").click()
    page.locator(f"#p-{parameter}").fill(f"{value:g}")
    page.locator(f"#p-{parameter}").press("Tab")


def review_and_start(page: Page, *, timeout_ms: int = SLOW_MS) -> str:
    """Confirm the review and arrive at the job's page; returns the job's id."""
    expect(page.locator("#review")).to_be_enabled(timeout=timeout_ms)
    page.locator("#review").click()
    for name in ("configuration", "cost", "budget"):
        page.locator(f"#ack-{name}").check()
    page.locator("#start-training").click()
    page.wait_for_url(re.compile(r"/training-jobs/job_[^/]+$"), timeout=timeout_ms)
    expect(page.locator("#job-badge")).to_be_visible(timeout=timeout_ms)
    return page.url.rsplit("/", 1)[1]


def configure_and_start(page: Page, origin: str, dataset_id: str, *, name: str | None = None) -> str:
    """From a dataset to a queued job; returns the job's id."""
    configure(page, origin, dataset_id, name=name)
    return review_and_start(page)


def open_job(page: Page, origin: str, job_id: str, tab: str = "overview") -> None:
    """Open a job's page at a tab and wait for its data."""
    page.goto(f"{origin}/training-jobs/{job_id}" + ("" if tab == "overview" else f"?tab={tab}"))
    expect(page.locator("#job-badge")).to_be_visible(timeout=SLOW_MS)


def wait_for_badge(page: Page, label: str, *, timeout_ms: int = SLOW_MS) -> None:
    """Stay on the job's page until its badge says so."""
    expect(page.locator("#job-badge")).to_have_text(label, timeout=timeout_ms)


def cancel_job(page: Page, reason: str = "wrong_configuration", notes: str = "") -> None:
    """Cancel the job whose page is open and wait until the request was taken."""
    page.locator("#cancel-training").click()
    page.locator("#cancel-reason").select_option(reason)
    if notes:
        page.locator("#cancel-notes").fill(notes)
    page.locator("#cancel-understood").check()
    page.locator("#cancel-confirm").click()
    expect(page.locator("dialog")).to_have_count(0)


def download_model(page: Page, origin: str, model_id: str, file_name: str) -> Download:
    """Download one file of a model."""
    page.goto(f"{origin}/models/{model_id}")
    with page.expect_download() as started:
        page.get_by_role("button", name=f"Download {file_name}").click()
    return started.value


def sign_out(page: Page, origin: str) -> None:
    """Sign this browser out."""
    page.goto(f"{origin}/settings")
    page.locator("#sign-out").click()
    page.wait_for_url("**/sign-in*")
