"""Stores of jobs whose reads are counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch

from tests.backend.jobs_index.rows import many
from tests.fakes import FakeJobs


class CountingJobs(FakeJobs):
    """Counts what a catch-up reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        found = super().changed_since(changed_at, limit)
        self.read.append(len(found))
        return found


def names(index: JobsIndex) -> set[str]:
    rows, _, total = index.search(JobSearch(limit=100))
    assert len(rows) == min(total, 100)
    return {row["name"] for row in rows}


def filled(count: int) -> CountingJobs:
    store = CountingJobs()
    store.rows = {job.id: job for job in many(count)}
    return store
