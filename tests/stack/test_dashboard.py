"""The dashboard under every hand and key, on the running product: jobs in every state, one recovered, a queue of twelve."""

from __future__ import annotations

import csv
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.frontend import flows
from tests.frontend.test_layout_shift import MOST, SHIFTS
from tests.frontend.test_pages import accessibility_findings, settle
from tests.stack.conftest import Opener, look
from tests.stack.pod_program import command
from tests.stack.scenarios import SCENARIO_TIMINGS
from tests.stack.waiting import wait_until
from tests.stack.workspace import DESCRIPTION, LIST, WAITING, Workspace, fill, pages_of
from tests.stack.world import World, build_package, example_rows

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.slow]

WHY = "The client presents these results on Friday morning and needs two days to check every answer by hand."
# All pages wait for a product that shares two cores with trainers and an emulator.
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for all tests of this file."""
    build_package()
    world = World(tmp_path_factory.mktemp("dashboard") / "home", SCENARIO_TIMINGS, command()).start()
    dataset = world.api.upload("Harbourlight returns", example_rows())
    yield fill(world, dataset["id"])
    world.stop()


@pytest.fixture
def page(made: Workspace, open_browser: Opener) -> Page:
    """A signed-in person at a desk."""
    return signed_in(made, open_browser())


def signed_in(made: Workspace, page: Page) -> Page:
    page.context.set_default_timeout(PATIENCE_MS)
    flows.open_sign_in_link(page, f"{made.origin}/sign-in#access_token={made.world.outputs['token']}")
    return page


def row(page: Page, title: str) -> Locator:
    return page.locator(".jobs tbody tr", has_text=f"workspace {title} ")


def has_rows(page: Page, amount: int) -> None:
    expect(page.locator(".jobs tbody tr")).to_have_count(amount, timeout=PATIENCE_MS)


def saved(page: Page, press: Locator) -> Path:
    with page.expect_download() as started:
        press.click()
    return Path(started.value.path())


def test_the_list_is_filtered_searched_and_sorted(made: Workspace, page: Page) -> None:
    everything = len(made.jobs) + WAITING
    has_rows(page, everything)
    page.locator("#show-filters").click()
    page.locator("#filter-panel").get_by_role("checkbox", name="Failed").check()
    has_rows(page, 1)
    page.locator("#filter-panel").get_by_role("checkbox", name="Paused").check()
    has_rows(page, 2)
    assert "status=failed,paused" in page.url
    page.reload()
    has_rows(page, 2)
    page.get_by_role("button", name="Clear All Filters").click()
    has_rows(page, everything)
    search = page.get_by_placeholder("Search by job name, notes, or tags...")
    search.fill(DESCRIPTION.split()[0])
    has_rows(page, 1)
    expect(page.locator(".jobs mark").first).to_have_text(DESCRIPTION.split()[0])
    search.fill("")
    has_rows(page, everything)
    page.get_by_role("button", name="Cost").click()
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".jobs tbody tr").last).to_contain_text("workspace ")
    assert "sortBy=cost" in page.url


def test_a_running_row_moves_while_nobody_touches_the_page(made: Workspace, page: Page) -> None:
    has_rows(page, len(made.jobs) + WAITING)
    cost = row(page, "running").locator(".c-cost")
    expect(cost).to_contain_text("$")
    seen = cost.inner_text()
    expect(cost).not_to_have_text(seen, timeout=PATIENCE_MS)


def test_jobs_are_selected_compared_exported_and_copied(made: Workspace, page: Page) -> None:
    with page.expect_download() as started:
        page.locator("#export").click()
        page.get_by_role("menuitem", name="Export all jobs").click()
    assert started.value.suggested_filename.startswith("training-jobs-export-")
    with Path(started.value.path()).open(newline="") as file:
        lines = list(csv.reader(file))
    assert len(lines) == 1 + len(made.jobs) + WAITING
    row(page, "cancelled").locator(".c-cost").click(button="right")
    expect(page.get_by_role("menuitem", name="Copy Job Link")).to_be_visible()
    page.keyboard.press("Escape")
    for title in ("completed", "recovered"):
        row(page, title).get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/training-jobs/compare?ids=*")
    expect(page.locator(".compare-job")).to_have_count(2)
    expect(page.get_by_role("group", name="Loss curves").locator("canvas")).to_be_visible()
    page.get_by_label("Only differences").check()
    page.get_by_role("tab", name="Sequence of events").click()
    table = page.get_by_role("group", name="Sequence of events")
    expect(table.get_by_role("row", name="Recovering")).to_be_visible()


def test_the_curve_moves_zooms_changes_axes_and_is_saved(made: Workspace, page: Page) -> None:
    flows.open_job(page, made.origin, made.jobs["running"])
    steps = page.get_by_text(re.compile(r"^Step [1-9][0-9]* of")).first
    expect(steps).to_be_visible()
    expect(steps).not_to_have_text(steps.inner_text(), timeout=PATIENCE_MS)
    assert re.match(r"[0-9]+% · ", page.title())
    chart = page.get_by_role("group", name="Loss chart")
    expect(chart.locator("canvas")).to_be_visible()
    page.get_by_role("button", name="Dollars").click()
    page.get_by_role("button", name="Log scale").click()
    page.get_by_role("button", name="Latest 500").click()
    chart.focus()
    for key in ("+", "ArrowRight", "0"):
        page.keyboard.press(key)
    page.get_by_text("Values as a table").click()
    expect(page.get_by_role("group", name="Loss values").get_by_role("row").nth(3)).to_be_visible()
    png = saved(page, page.locator("#export-graph")).read_bytes()
    assert struct.unpack(">II", png[16:24]) == (2000, 1200)


def test_notes_are_kept_as_markdown_and_nothing_in_them_runs(made: Workspace, page: Page) -> None:
    flows.open_job(page, made.origin, made.jobs["completed"])
    page.get_by_role("button", name="Edit", exact=True).click()
    page.locator("#edit-notes").fill("**kept** <img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".prose strong")).to_have_text("kept")
    expect(page.locator(".prose img")).to_have_count(0)
    assert made.world.api.job(made.jobs["completed"])["notes"].startswith("**kept**")


def test_the_log_of_a_recovered_job_tells_what_happened(made: Workspace, page: Page) -> None:
    flows.open_job(page, made.origin, made.jobs["recovered"], "event-log")
    page.get_by_role("group", name="Show").get_by_role("button", name="Checkpoint").click()
    expect(page.locator(".event-log-host .log-row").first).to_be_visible()
    assert "filter=checkpoints" in page.url
    page.locator(".event-log-host summary").first.click()
    expect(page.locator(".payload .json-k").first).to_be_visible()
    page.locator("#event-search").fill("step 20")
    expect(page.locator(".event-log-host").get_by_text(re.compile("Found [0-9]+ event"))).to_be_visible()
    page.get_by_role("group", name="View").get_by_role("button", name="Timeline").click()
    expect(page.locator(".pinned").first).to_contain_text("GPU")
    page.get_by_role("button", name="Export Log").click()
    exported = json.loads(saved(page, page.locator("#export-save")).read_text())
    assert {event["type"] for event in exported} >= {"status", "metrics", "checkpoint", "warning"}


def test_every_end_explains_itself(made: Workspace, page: Page) -> None:
    flows.open_job(page, made.origin, made.jobs["failed"])
    expect(page.locator("#job-badge")).to_have_text("Failed")
    expect(page.get_by_role("alert").first).to_contain_text("Memory")
    flows.open_job(page, made.origin, made.jobs["cancelled"])
    expect(page.locator("#job-badge")).to_have_text("Cancelled")
    expect(page.locator("#cancel-training")).to_have_count(0)
    flows.open_job(page, made.origin, made.jobs["completed"])
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_role("tabpanel").get_by_role("link", name="View & Download")).to_be_visible()
    expect(page.get_by_role("region", name="GPU attempts")).to_contain_text("terminated")


def test_a_paused_job_shows_what_going_on_would_cost(made: Workspace, page: Page) -> None:
    flows.open_job(page, made.origin, made.jobs["paused"])
    expect(page.get_by_role("region", name="Paused")).to_contain_text("Training paused at step")
    page.locator("#resume-training").click()
    dialog = page.get_by_role("dialog", name="Resume Training")
    expect(dialog).to_contain_text(re.compile("[0-9]+ steps"))
    expect(dialog).to_contain_text("$")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#resume-training")).to_be_focused()
    assert made.status("paused") == "paused"


def test_without_a_mouse_a_job_is_found_looked_at_and_not_cancelled(made: Workspace, page: Page) -> None:
    has_rows(page, len(made.jobs) + WAITING)
    tab_to(page, page.get_by_placeholder("Search by job name, notes, or tags..."))
    page.keyboard.type("workspace running")
    has_rows(page, 1)
    tab_to(page, row(page, "running").locator(".job-name"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/training-jobs/{made.jobs['running']}")
    expect(page.locator("#job-badge")).to_have_text("Training")
    tab_to(page, page.locator("#cancel-training"))
    page.keyboard.press("Enter")
    expect(page.locator("#cancel-back")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#cancel-training")).to_be_focused()
    tab_to(page, page.get_by_role("tab", name="Overview"))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Metrics")).to_be_focused()
    assert made.status("running") == "running"


def tab_to(page: Page, target: Locator, most: int = 120) -> None:
    """Press Tab until the target has the focus."""
    for _ in range(most):
        if target.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} is not reached by {most} Tabs")


def test_the_last_in_line_is_promoted_by_a_mailed_yes(
    made: Workspace, page: Page, open_browser: Opener
) -> None:
    page.goto(f"{made.origin}{LIST}?tab=queue")
    expect(page.locator(".q-card")).to_have_count(WAITING)
    expect(page.get_by_role("tab", name=f"Queue {WAITING}")).to_be_visible()
    expect(page.get_by_role("region", name="Active training jobs: 2 of 2 slots")).to_be_visible()
    expect(page.get_by_text(f"Queue is unusually long ({WAITING} jobs)")).to_be_visible()
    last = page.locator(f'.q-card[data-id="{made.waiting[-1]}"]')
    expect(last.locator(".q-pos")).to_contain_text(f"#{WAITING}")
    last.get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name="Promote to Front").click()
    page.get_by_label("Reason for priority promotion").select_option("client_deadline")
    page.get_by_label("Justification").fill(WHY)
    page.get_by_role("button", name="Submit Request").click()
    expect(last.get_by_role("link", name="Promotion requested")).to_be_visible()
    mails = wait_until(
        lambda: [mail for mail in made.world.mails() if mail["Subject"].startswith("Priority Queue Request")],
        "a manager is mailed",
    )
    link = re.search(r"/approvals/apr_\w+#decision=approve&token=[\w-]+", str(mails[-1]))
    assert link is not None
    phone = open_browser(scheme="dark", width=390)
    phone.goto(made.origin + link[0])
    phone.get_by_role("button", name="Approve Request").click()
    expect(phone.locator("#verdict")).to_contain_text("with the mailed link")
    first = page.locator(".q-card").first
    expect(first).to_have_attribute("data-id", made.waiting[-1], timeout=PATIENCE_MS)
    expect(first.locator(".q-pos")).to_have_text("Position #1")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 820), ("dark", 390)])
def test_every_page_is_quiet_accessible_steady_and_fits(
    made: Workspace, open_browser: Opener, scheme: str, width: int
) -> None:
    page = open_browser(scheme=scheme, width=width)
    signed_in(made, page)
    wrong: dict[str, object] = {}
    for name, path in pages_of(made).items():
        page.goto(made.origin + path)
        settle(page)
        moved = [shift for shift in page.evaluate(SHIFTS) if shift["value"] > MOST]
        look(page, f"{name}-{width}-{scheme}")
        found = accessibility_findings(page)
        extra = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if found or moved or extra > 0:
            wrong[name] = (found, moved, extra)
    assert wrong == {}


def test_pausing_in_the_dialog_frees_the_slot_and_going_on_queues_again(made: Workspace, page: Page) -> None:
    flows.open_job(page, made.origin, made.jobs["second"])
    flows.wait_for_badge(page, "Training", timeout_ms=PATIENCE_MS)
    page.locator("#pause-training").click()
    expect(page.get_by_role("dialog", name="Pause Training Job?")).to_contain_text("of 3,000")
    page.locator("#pause-confirm").click()
    flows.wait_for_badge(page, "Paused", timeout_ms=PATIENCE_MS)
    page.locator("#resume-training").click()
    page.locator("#resume-confirm").click()
    flows.wait_for_badge(page, "Queued", timeout_ms=PATIENCE_MS)
