"""Stand-ins for the tests: one shared by tests that only talk to it, fresh ones for tests that end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runpod_standin.process import OBEDIENT, StandInProcess

StartStandIn = Callable[..., StandInProcess]


@pytest.fixture(scope="module")
def shared_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    running = StandInProcess(tmp_path_factory.mktemp("standin"))
    yield running
    running.close()


@pytest.fixture
def standin(shared_standin: StandInProcess) -> Iterator[StandInProcess]:
    """Without armed faults and without pods of other tests."""
    yield shared_standin
    shared_standin.clear_faults()
    for pod in shared_standin.call("GET", "/v2/pods").json()["pods"]:
        shared_standin.call("DELETE", f"/v2/pods/{pod['id']}")


@pytest.fixture
def start_standin(tmp_path: Path) -> Iterator[StartStandIn]:
    """Starts a stand-in of the test's own; whatever pods are left at the end are ended."""
    started: list[StandInProcess] = []

    def start(*options: str, command: str | None = OBEDIENT) -> StandInProcess:
        started.append(StandInProcess(tmp_path / f"state{len(started)}", *options, command=command))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is not None:
            # It was killed in the test: a successor finds the pods it left and ends them.
            running.start_again()
        for pod in running.call("GET", "/v2/pods").json()["pods"]:
            running.call("DELETE", f"/v2/pods/{pod['id']}")
        running.close()
