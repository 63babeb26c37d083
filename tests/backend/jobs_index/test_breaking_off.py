"""What fails while the list catches up leaves it as it was, or has it begin again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import InvalidOperation
from typing import Any

import pytest
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch

from tests.backend.jobs_index.rows import many, row_of
from tests.backend.jobs_index.stores import CountingJobs, names
from tests.builders import a_job
from tests.fakes import START, FakeJobs


class _BreakingJobs(CountingJobs):
    """Fails at the second page of a catch-up."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks = False

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        found = super().changed_since(changed_at, limit)
        if self.breaks and len(self.read) == 2:
            raise StorageUnavailable("The table cannot be read now.")
        return found


def test_a_catch_up_that_breaks_goes_on_where_it_was(made: Any) -> None:
    store = _BreakingJobs()
    store.rows = {job.id: job for job in many(1200)}
    index = made(store)
    store.breaks = True
    with pytest.raises(StorageUnavailable):
        index.search(JobSearch())
    store.breaks = False
    assert index.search(JobSearch())[2] == 1200
    # The first page was not read again.
    assert sum(store.read) < 2 * 500 + 1200


def test_a_row_that_cannot_be_made_changes_nothing(made: Any) -> None:
    store = FakeJobs()
    for number in range(3):
        store.save(a_job(number, name=f"job {number}"), expected=None)
    broken = {"id": ""}

    def rows(job: Job) -> dict[str, Any]:
        if job.id == broken["id"]:
            raise StorageUnavailable("The progress cannot be read now.")
        return row_of(job)

    index = made(store, rows)
    assert names(index) == {"job 0", "job 1", "job 2"}
    changed = [job for job in store.rows.values() if job.name != "job 2"]
    for job in changed:
        store.save(
            replace(job, name=f"{job.name} again", changed_at=START + timedelta(minutes=1)), expected=job
        )
    broken["id"] = changed[1].id
    with pytest.raises(StorageUnavailable):
        index.search(JobSearch())
    broken["id"] = ""
    assert names(index) == {"job 0 again", "job 1 again", "job 2"}
    assert index.search(JobSearch())[1]["tab"]["all"] == 3


def test_a_change_that_cannot_be_written_is_made_anew(made: Any) -> None:
    store = FakeJobs()
    job = store.save(a_job(1, name="one"), expected=None)
    broken = {"cost": {"spent_usd": "not an amount"}}
    shown = {"broken": False}
    index = made(store, lambda each: {**row_of(each), **(broken if shown["broken"] else {})})
    assert names(index) == {"one"}
    store.save(replace(job, name="uno", changed_at=START + timedelta(minutes=1)), expected=job)
    shown["broken"] = True
    with pytest.raises(InvalidOperation):
        index.search(JobSearch())
    shown["broken"] = False
    assert names(index) == {"uno"}
    assert index.search(JobSearch())[2] == 1
