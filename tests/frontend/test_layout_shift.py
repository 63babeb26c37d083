"""Nothing moves when data arrives: the skeletons have the sizes of what takes their places."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.test_pages import addresses, settle

pytestmark = pytest.mark.browser

MOST = 0.01
PAGES = (
    "running job",
    "completed job",
    "failed job",
    "cancelled job",
    "metrics",
    "event log",
    "timeline",
    "artifacts",
    "statistics",
    "jobs",
    "comparison",
    "new job",
    "datasets",
    "models",
    "queue",
    "approvals",
    "open approval",
)
# Every shift that no click or key explains, with the elements that moved and from where to where.
SHIFTS = """() => new Promise((resolve) => {
  const found = [];
  const name = (node) => (node?.id ? `#${node.id}` : `${node?.nodeName} ${node?.className?.baseVal ?? node?.className ?? ''}`);
  const box = (rect) => [rect.x, rect.y, rect.width, rect.height].map(Math.round).join(' ');
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      const moved = entry.sources.map((one) => `${name(one.node)}: ${box(one.previousRect)} -> ${box(one.currentRect)}`);
      found.push({value: entry.value, moved});
    }
  }).observe({type: 'layout-shift', buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(found), 0))));
})"""


class HeldBack:
    """Answers of the API wait until the page has been painted without them, as on a slow line."""

    def __init__(self, page: Page) -> None:
        self.waiting: list[Route] | None = []
        page.route("**/api/**", self._hold)

    def _hold(self, route: Route) -> None:
        if self.waiting is None:
            route.continue_()
        else:
            self.waiting.append(route)

    def let_go(self) -> None:
        held, self.waiting = self.waiting or [], None
        for route in held:
            route.continue_()


def address(site: Site, name: str) -> str:
    if name == "completed job":
        return f"/training-jobs/{site.id_of('completed')}"
    return addresses(site)[name]


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_moves_when_data_arrives(site: Site, open_page: Opener, name: str, width: int) -> None:
    page = open_page(width=width)
    # Who has signed in is known to the page before it asks: what a manager sees is there from the start.
    user = json.dumps(site.world.user)
    page.add_init_script(
        "const kept = JSON.parse(sessionStorage.getItem('lp.session'));"
        f"sessionStorage.setItem('lp.session', JSON.stringify({{...kept, user: {user}}}));"
    )
    held = HeldBack(page)
    page.goto(site.origin + address(site, name))
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    held.let_go()
    settle(page)
    if name in ("running job", "completed job", "comparison"):
        expect(page.locator(".chart canvas, .plot canvas").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    shifts: list[dict[str, Any]] = page.evaluate(SHIFTS)
    assert sum(each["value"] for each in shifts) <= MOST, "\n".join(
        f"{each['value']:.4f} {'; '.join(each['moved'])}" for each in shifts
    )
