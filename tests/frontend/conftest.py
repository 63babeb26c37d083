"""One built site for all browser tests; a fresh world, server and page for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from frontend_static import build
from tests.frontend.fixture_server import fill, fixture_site
from tests.frontend.fixture_world import World

TOKEN = "lp_fixture-token"
DEFAULT_TIMEOUT_MS = 15_000


@dataclass
class Site:
    """A running fixture site; ``complaints`` collects what the browser's console said."""

    world: World
    origin: str
    complaints: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def id_of(self, status: str) -> str:
        """The id of the first job in a status."""
        return str(next(job["id"] for job in self.world.jobs.values() if job["status"] == status))


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once."""
    return build.build(dist=tmp_path_factory.mktemp("site") / "dist")


@pytest.fixture
def site(dist: Path) -> Iterator[Site]:
    """A filled workspace behind a real server. The test fails if a page complained on the console."""
    world = fill(World())
    with fixture_site(world, dist) as origin:
        running = Site(world, origin)
        yield running
        unexpected = [
            line for line in running.complaints if not any(part in line for part in running.allowed)
        ]
        assert unexpected == []


Opener = Callable[..., Page]


@pytest.fixture
def open_page(site: Site, browser: Browser) -> Iterator[Opener]:
    """Opens pages of the site in fresh contexts: ``open_page("/models", scheme="dark", width=390)``."""
    contexts: list[BrowserContext] = []

    def opened(
        path: str | None = None, *, signed_in: bool = True, scheme: Any = "light", width: int = 1440
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            locale="en-US",
            accept_downloads=True,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(DEFAULT_TIMEOUT_MS)
        contexts.append(context)
        if signed_in:
            session = f'{{"access_token": "{TOKEN}", "refresh_token": "refresh-1"}}'
            context.add_init_script(
                f"if (!sessionStorage.getItem('lp.seeded')) {{ sessionStorage.setItem('lp.seeded', '1');"
                f" sessionStorage.setItem('lp.session', '{session}'); }}"
            )
        page = context.new_page()
        page.on("console", lambda message: _note(site, message.type, f"{message.text} {message.location}"))
        page.on("pageerror", lambda error: site.complaints.append(f"page error: {error}"))
        if path is not None:
            page.goto(site.origin + path)
        return page

    yield opened
    for context in contexts:
        context.close()


def _note(site: Site, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        site.complaints.append(f"{kind}: {text}")
