"""Every page, both themes, three widths: no accessibility finding, no console complaint, no sideways scroll."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from frontend_static import build
from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_approvals import approvals_of, ask_promotion
from tests.frontend.fixture_queue import line_of, wait_in_line

pytestmark = pytest.mark.browser

AXE = (build.HERE / "node_modules/axe-core/axe.min.js").read_text()
RUN_AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ['violations']});
  const where = (node) => `${node.target.join(' ')} ${node.any[0]?.message ?? ''}`;
  return found.violations.map((one) => `${one.id}: ${one.nodes.map(where).join(' | ')}`);
}"""

PAGES = {
    "jobs": "/dashboard/training-jobs",
    "filtered jobs": "/dashboard/training-jobs?status=failed,cancelled&createdBy=me&dateRange=all",
    "empty search": "/dashboard/training-jobs?search=nothing-like-this",
    "queue": "/dashboard/training-jobs?tab=queue",
    "queue history": "/dashboard/training-jobs?tab=queue&view=history",
    "approvals": "/approvals",
    "open approval": "/approvals/{approval}",
    "decided approval": "/approvals/{decided}",
    "running job": "/training-jobs/{running}",
    "metrics": "/training-jobs/{running}?tab=metrics",
    "event log": "/training-jobs/{running}?tab=event-log",
    "timeline": "/training-jobs/{failed}?tab=event-log&view=timeline",
    "failed job": "/training-jobs/{failed}",
    "cancelled job": "/training-jobs/{cancelled}",
    "artifacts": "/training-jobs/{completed}?tab=artifacts",
    "comparison": "/training-jobs/compare?ids={running},{completed},{failed},{cancelled}",
    "sequence of events": "/training-jobs/compare?ids={running},{failed}&view=sequence",
    "choice of a comparison": "/training-jobs/compare?ids={running}",
    "statistics": "/statistics",
    "new job": "/training-jobs/new?dataset={dataset}",
    "form of a waiting job": "/training-jobs/{waiting}/configure",
    "datasets": "/datasets",
    "dataset": "/datasets/{dataset}",
    "rejected dataset": "/datasets/{rejected}",
    "models": "/models",
    "model": "/models/{model}",
    "notifications": "/notifications",
    "settings": "/settings",
    "patterns": "/patterns",
    "guide": "/docs/hyperparameters-explained",
}


IN_LINE = (
    "Support tone",
    "Support tone, longer",
    "Quarry high rank",
    "Refund policy r32",
    "Harbour conservative",
    "Onboarding voice",
    "Glossary",
    "Claims triage",
    "Elena finance v2",
)


def addresses(site: Site) -> dict[str, str]:
    """The pages with the ids of this workspace filled in."""
    ids = {status: site.id_of(status) for status in ("running", "failed", "cancelled", "completed")}
    datasets = list(site.world.datasets)
    ids.update(_queue(site))
    ids.update(dataset=datasets[0], rejected=datasets[1], model=next(iter(site.world.models)))
    return {name: path.format(**ids) for name, path in PAGES.items()}


def _queue(site: Site) -> dict[str, str]:
    """A line of nine, with a request that is open and one that was denied."""
    known = approvals_of(site.world)
    if not known:
        jobs = wait_in_line(site.world, 9)
        for job, name in zip(jobs, IN_LINE, strict=True):
            job.update(name=name, dataset={**job["dataset"], "id": next(iter(site.world.datasets))})
        ask_promotion(site.world, jobs[4], "client_deadline", "An audit on Friday morning. " * 5)
        denied = ask_promotion(site.world, jobs[5], "client_deadline", "A demonstration on Monday. " * 5)
        denied.update(status="denied", decided_by=denied["requested_by"], reason="The others are as urgent.")
        denied.update(decided_at=site.world.tick())
    ids = dict(zip(("approval", "decided"), known, strict=True))
    return {**ids, "waiting": site.id_of("queued")}


def settle(page: Page) -> None:
    """Wait until the page shows data in place of its skeletons."""
    expect(page.locator("[aria-busy=true]:not(button):visible")).to_have_count(0)
    expect(page.locator(".skeleton:not([role=img] *):visible")).to_have_count(0)


def accessibility_findings(page: Page) -> list[str]:
    page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN_AXE)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_finding(site: Site, open_page: Opener, scheme: str) -> None:
    page = open_page(scheme=scheme)
    findings = {}
    for name, path in addresses(site).items():
        page.goto(site.origin + path)
        settle(page)
        findings[name] = accessibility_findings(page)
    assert {name: found for name, found in findings.items() if found} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signing_in_has_no_accessibility_finding(site: Site, open_page: Opener, scheme: str) -> None:
    page = open_page("/sign-in", signed_in=False, scheme=scheme)
    assert accessibility_findings(page) == []


def test_no_dialog_has_an_accessibility_finding(site: Site, open_page: Opener) -> None:
    page = open_page(addresses(site)["running job"])
    page.locator("#cancel-training").click()
    expect(page.locator("dialog")).to_be_visible()
    assert accessibility_findings(page) == []
    page.goto(site.origin + addresses(site)["new job"])
    page.locator("#review:enabled").click()
    expect(page.locator("dialog")).to_be_visible()
    assert accessibility_findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_no_dialog_of_the_queue_has_an_accessibility_finding(
    site: Site, open_page: Opener, scheme: str, width: int
) -> None:
    page = open_page(addresses(site)["queue"], scheme=scheme, width=width)
    for action in ("View Configuration", "Promote to Front", "Remove from Queue"):
        page.get_by_role("button", name=f"Actions for {IN_LINE[3]}").click()
        page.get_by_role("menuitem", name=action).click()
        expect(page.locator("dialog")).to_be_visible()
        assert accessibility_findings(page) == [], action
        assert page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth"), action
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="Change limit").click()
    expect(page.locator("#concurrency-limit")).to_be_visible()
    assert accessibility_findings(page) == []
    line_of(site.world).limit = 1
    page.goto(site.origin + addresses(site)["new job"])
    page.locator("#review:enabled").click()
    page.get_by_role("button", name="Cancel a job").click()
    assert accessibility_findings(page) == []
    assert page.get_by_role("button", name=f"Cancel {IN_LINE[0]}", exact=True).bounding_box()["x"] < width  # type: ignore[index]


@pytest.mark.parametrize("width", [390, 820])
def test_no_page_scrolls_sideways(site: Site, open_page: Opener, width: int) -> None:
    page = open_page(width=width)
    too_wide = {}
    for name, path in addresses(site).items():
        page.goto(site.origin + path)
        settle(page)
        too_wide[name] = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert {name: extra for name, extra in too_wide.items() if extra > 0} == {}


def test_every_destination_is_reachable_on_a_phone(site: Site, open_page: Opener) -> None:
    page = open_page("/models", width=390)
    links = page.locator("nav[aria-label=Main] a:visible")
    expect(links).to_have_count(6)
    assert [link.get_attribute("href") for link in links.all()] == [
        "/dashboard/training-jobs",
        "/datasets",
        "/models",
        "/docs/hyperparameters-explained",
        "/settings",
        "/approvals",
    ]
    expect(page.get_by_role("link", name="New job")).to_be_visible()
    expect(page.locator("#bell")).to_be_visible()


def test_an_unknown_address_says_so_and_leads_back(site: Site, open_page: Opener) -> None:
    site.allowed = ("404",)
    page = open_page("/no/such/page")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    expect(page.get_by_role("link", name="Go to your jobs")).to_be_visible()


def test_the_policy_really_forbids_inline_code(site: Site, open_page: Opener) -> None:
    site.allowed = ("Content Security Policy", "Trusted", "trusted")
    page = open_page("/settings")
    with pytest.raises(Error, match="TrustedScript"):
        page.evaluate("document.createElement('div').setAttribute('onclick', 'document.title = 1')")
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p>x</p>')")


def test_screens_kept_in_the_documentation_are_small() -> None:
    screens = list((Path(__file__).resolve().parents[2] / "docs/screens").glob("*.webp"))
    assert len(screens) >= 6 * len(PAGES)
    assert all(path.stat().st_size <= 200_000 for path in screens)
