"""One stack for a test session; tests that kill theirs bring their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.world import World, build_package, example_rows

os.environ.setdefault("OMP_NUM_THREADS", "1")


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
