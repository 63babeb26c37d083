"""Stand-ins shared by the tests of a session: one corrected, one as it comes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.local_stack.stand_in import StandIn

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The stand-in with every correction."""
    server = StandIn(tmp_path_factory.mktemp("corrected") / "aws").start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The stand-in as it comes, in the same configuration."""
    server = StandIn(tmp_path_factory.mktemp("stock") / "aws", corrected=False).start()
    yield server
    server.kill9()
