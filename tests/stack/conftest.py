"""One stack for a test session; tests that kill theirs bring their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.stack.world import World, build_package, example_rows

os.environ.setdefault("OMP_NUM_THREADS", "1")

Opener = Callable[..., Page]
SCREENS = os.environ.get("LORA_PIPELINE_SCREENS")


def look(page: Page, name: str) -> None:
    """A screenshot for a person's eyes, where somebody asked for them."""
    if SCREENS:
        page.screenshot(path=f"{SCREENS}/{name}.png", full_page=True)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack that stays up for the session."""
    build_package()
    world = World(tmp_path_factory.mktemp("stack") / "home").start()
    yield world
    world.stop()


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """The session's stack, with a provider that behaves again afterwards."""
    yield running
    running.disarm()


@pytest.fixture(scope="session")
def dataset(running: World) -> dict[str, Any]:
    """A slice of the example, uploaded once."""
    return running.api.upload("Harbourlight, first part", example_rows())


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What any page said on the console; must stay empty."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture
def open_browser(browser: Browser, complaints: list[str]) -> Iterator[Opener]:
    """A fresh person at a fresh browser: `open_browser(scheme="dark", width=390)`."""
    contexts: list[BrowserContext] = []

    def opened(scheme: Any = "light", width: int = 1440) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            locale="en-US",
            accept_downloads=True,
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{message.type}: {message.text} {message.location}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
        return page

    yield opened
    for context in contexts:
        context.close()
