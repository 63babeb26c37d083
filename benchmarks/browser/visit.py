"""The site of the fixture world, freshly built, and a browser that is signed in to it."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from frontend_static import build
from tests.conftest import CHROMIUM, QUIET_FLAGS
from tests.frontend.conftest import TOKEN
from tests.frontend.fixture_server import fill, fixture_site
from tests.frontend.fixture_world import World


@dataclass(frozen=True)
class Visit:
    world: World
    origin: str
    dist: Path
    browser: Browser

    def page(self, width: int = 1440) -> Page:
        """A fresh browser context, signed in, nothing cached."""
        context = self.browser.new_context(viewport={"width": width, "height": 900}, locale="en-US")
        session = json.dumps({"access_token": TOKEN, "refresh_token": "refresh-1"})
        context.add_init_script(f"sessionStorage.setItem('lp.session', {json.dumps(session)});")
        return context.new_page()

    def id_of(self, status: str) -> str:
        return str(next(job["id"] for job in self.world.jobs.values() if job["status"] == status))


@contextmanager
def visiting(world: World | None = None, flags: tuple[str, ...] = ()) -> Iterator[Visit]:
    """world: filled with a job in every status unless it is given."""
    world = world or World()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        dist = build.build(dist=Path(folder) / "dist")
        with fixture_site(fill(world), dist) as origin:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET_FLAGS, *flags])
            yield Visit(world, origin, dist, browser)
            browser.close()


def say(name: str, figures: dict[str, Any], goal: dict[str, Any], met: bool) -> int:
    """Prints the line; 0 when the goal is met, 1 when not."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    print(json.dumps({"benchmark": name, "figures": figures, "goal": goal, "met": met, "machine": machine}))
    return 0 if met else 1
