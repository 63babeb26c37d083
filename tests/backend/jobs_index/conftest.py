from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.job import Job

from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.jobs_index.rows import row_of
from tests.fakes import FakeClock, FakeJobs


@pytest.fixture
def files() -> FakeFiles:
    return FakeFiles()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def made(files: FakeFiles, clock: FakeClock) -> Any:
    opened: list[JobsIndex] = []

    def make(store: FakeJobs, rows: Callable[[Job], dict[str, Any]] = row_of) -> JobsIndex:
        opened.append(JobsIndex(store, files, rows, clock))
        return opened[-1]

    yield make
    for index in opened:
        index.close()
