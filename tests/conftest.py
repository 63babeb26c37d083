"""What suites share: one Chromium, since one process can drive only one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

# How long an example takes says something about the machine only.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Real processes, emulated clouds and thousands of generated requests: part of `make test`, too long for `make check`.
SLOW = (
    "tests/runpod_standin/",
    "tests/trainer/",
    "tests/infrastructure/test_package.py",
    "tests/backend/adapters/runpod/test_gpu_cloud_contract.py",
    "tests/backend/adapters/test_s3_files.py",
    "tests/backend/openapi/test_attack.py",
    "tests/backend/jobs_index/test_answers.py",
    "tests/lifecycle/test_fault_walk.py",
    "tests/lifecycle/test_single_faults.py",
    "tests/lifecycle/test_planted_defects.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(part in item.path.as_posix() for part in SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=_turn)


# A few tests of minutes, with a stack of their own.
FIRST = ("test_dashboard.py", "test_scenarios.py")


def _turn(item: pytest.Item) -> int:
    """What takes long comes early, so that no worker is left alone with it; the stack of a session late, since it stays
    up until the end; and the smallest last, to fill both workers."""
    if item.path.name in FIRST:
        return -1
    if item.get_closest_marker("stack"):
        return 2
    if item.get_closest_marker("slow"):
        return 0
    return 3 if "tests/backend/" in item.path.as_posix() else 1


CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless and without any call home."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET_FLAGS)
        yield chromium
        chromium.close()
