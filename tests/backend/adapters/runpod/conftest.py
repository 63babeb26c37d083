"""One stand-in for the whole contract suite; faults are cleared after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backend.adapters.runpod.worlds import FakeWorld, HttpWorld, World
from tests.runpod_standin.process import StandInProcess


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    running = StandInProcess(tmp_path_factory.mktemp("standin"))
    yield running
    running.close()


@pytest.fixture(params=["runpod over http", "fake"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    running: StandInProcess = request.getfixturevalue("standin")
    over_http = HttpWorld(running)
    yield over_http
    over_http.close()
