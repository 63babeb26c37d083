"""Takes the screenshots of docs/screens: every page and the great dialogs, at three widths and in both themes.

    python -m tests.frontend.screens [FOLDER] [--only NAME ...]

The pages show the fixture workspace of the browser tests, so that a change of a page is all that changes its picture.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from frontend_static import build
from tests.conftest import CHROMIUM, QUIET_FLAGS
from tests.frontend.conftest import TOKEN, Site
from tests.frontend.fixture_server import fill, fixture_site
from tests.frontend.fixture_world import World
from tests.frontend.test_compare import small
from tests.frontend.test_pages import addresses, settle

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screens"
WIDTHS = (1440, 820, 390)
SCHEMES = ("light", "dark")
# Beyond it a page only repeats its rows.
MOST_PX = 2600
QUALITY = 0.6
ENCODE = """async ([png, quality]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: image.width, height: image.height});
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/webp', quality).split(',')[1];
}"""


def _press(selector: str) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        page.locator(selector).first.click()
        expect(page.locator("dialog")).to_be_visible()

    return press


def _choose(action: str) -> Callable[[Page], None]:
    """From the menu of the fourth job in line."""

    def choose(page: Page) -> None:
        page.locator(".q-menu").nth(3).click()
        page.get_by_role("menuitem", name=action).click()
        expect(page.locator("dialog")).to_be_visible()

    return choose


# Name -> (page of `addresses`, what opens the dialog on it).
DIALOGS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "cancel dialog": ("running job", _press("#cancel-training")),
    "retry dialog": ("failed job", _press("#retry-job")),
    "pause dialog": ("running job", _press("#pause-training")),
    "promotion dialog": ("queue", _choose("Promote to Front")),
    "review dialog": ("new job", _press("#review:enabled")),
}


# What comes after the page's first data.
LATER = {"new job": "#estimate-total", "form of a waiting job": "#estimate-total"}


def _open(browser: Browser, scheme: Any, width: int, now: datetime) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", locale="en-US"
    )
    session = f'{{"access_token": "{TOKEN}", "refresh_token": "refresh-1"}}'
    context.add_init_script(f"sessionStorage.setItem('lp.session', '{session}');")
    # The workspace's own time, from which it goes on.
    context.clock.install(time=now)
    return context.new_page()


def _shoot(page: Page, encoder: Page, target: Path, whole: bool) -> None:
    """A page in the browser as a WebP file: it is a fifth of the PNG. whole: down to its end."""
    # What a tab reads before it shows itself leaves no skeleton to wait for.
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    height = min(MOST_PX, int(page.evaluate("document.documentElement.scrollHeight"))) if whole else 0
    size = page.viewport_size
    assert size is not None
    # A bar that sticks to the lower edge belongs to the lower edge of the picture.
    page.set_viewport_size({"width": size["width"], "height": max(900, height)})
    settle(page)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    png = base64.b64encode(page.screenshot(animations="disabled")).decode()
    page.set_viewport_size(size)
    target.write_bytes(base64.b64decode(encoder.evaluate(ENCODE, [png, QUALITY])))


def take(folder: Path, only: set[str]) -> int:
    """How many were taken. only: names of pages; empty means all."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = 0
    with tempfile.TemporaryDirectory() as built, sync_playwright() as playwright:
        dist = build.build(dist=Path(built) / "dist")
        world = fill(World())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET_FLAGS)
        with fixture_site(world, dist) as origin:
            encoder = browser.new_page()
            site = Site(world, origin)
            pages = addresses(site)
            several = (site.id_of("running"), small(site), site.id_of("failed"))
            pages["comparison"] = f"/training-jobs/compare?ids={','.join(several)}"
            for scheme in SCHEMES:
                for width in WIDTHS:
                    page = _open(browser, scheme, width, world.now)
                    for name in (*pages, *DIALOGS):
                        path, act = DIALOGS.get(name, (name, None))
                        if only and name not in only:
                            continue
                        page.goto(origin + pages[path])
                        settle(page)
                        if path in LATER:
                            expect(page.locator(LATER[path])).to_be_visible()
                        if act:
                            act(page)
                        _shoot(
                            page,
                            encoder,
                            folder / f"{name.replace(' ', '-')}-{width}-{scheme}.webp",
                            whole=not act,
                        )
                        taken += 1
                    page.context.close()
        browser.close()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args()
    sys.stdout.write(f"{take(chosen.folder, set(chosen.only))} screenshots in {chosen.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
