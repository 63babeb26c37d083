from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chalicelib.adapters.jobs_index_files import FOLDER, KEPT_FILES
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.job_search import JobSearch

from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.jobs_index.rows import row_of
from tests.backend.jobs_index.stores import filled, names
from tests.builders import a_job
from tests.fakes import START, FakeClock, FakeJobs


def test_changes_new_jobs_and_deletions_show_in_the_next_answer(made: Any) -> None:
    store = FakeJobs()
    first = store.save(a_job(1, name="one"), expected=None)
    index = made(store)
    assert names(index) == {"one"}

    later = START + timedelta(minutes=1)
    store.save(replace(first, name="uno", changed_at=later), expected=first)
    second = store.save(a_job(2, name="two", at=later), expected=None)
    assert names(index) == {"uno", "two"}
    assert index.search(JobSearch(search="one"))[2] == 0
    assert index.search(JobSearch(search="uno"))[2] == 1

    store.delete(second)
    assert names(index) == {"uno"}
    assert index.search(JobSearch(search="two"))[2] == 0


def test_a_writer_whose_clock_is_late_is_not_missed(made: Any) -> None:
    store = FakeJobs()
    store.save(a_job(1, name="ahead", at=START + timedelta(seconds=30)), expected=None)
    index = made(store)
    names(index)
    names(index)
    store.save(a_job(2, name="late", at=START + timedelta(seconds=15)), expected=None)
    assert names(index) == {"ahead", "late"}


def test_a_change_that_surfaces_minutes_late_is_found_by_the_longer_look_back(
    made: Any, clock: FakeClock
) -> None:
    store = FakeJobs()
    store.save(a_job(1, name="ahead", at=START + timedelta(minutes=10)), expected=None)
    index = made(store)
    names(index)
    store.save(a_job(2, name="very late", at=START + timedelta(minutes=1)), expected=None)
    assert names(index) == {"ahead"}
    clock.advance(301)
    assert names(index) == {"ahead", "very late"}


@pytest.mark.parametrize("count", [499, 500, 501, 1700])
def test_many_jobs_of_one_instant_are_all_read(made: Any, count: int) -> None:
    store = FakeJobs()
    for number in range(count):
        store.save(a_job(number, at=START), expected=None)
    for number in range(count, count + 20):
        store.save(a_job(number, at=START + timedelta(seconds=1)), expected=None)
    assert made(store).search(JobSearch())[2] == count + 20


def test_more_deletions_than_a_page_are_all_read(made: Any) -> None:
    store = FakeJobs()
    jobs = [store.save(a_job(number), expected=None) for number in range(1200)]
    index = made(store)
    assert index.search(JobSearch())[2] == 1200
    for job in jobs[:1100]:
        store.delete(job)
    assert index.search(JobSearch())[2] == 100


def test_an_older_version_never_replaces_a_newer_one(made: Any) -> None:
    store = FakeJobs()
    first = store.save(a_job(1, name="old"), expected=None)
    store.save(replace(first, name="new"), expected=first)
    index = made(store)
    assert names(index) == {"new"}
    store.rows[first.id] = first
    assert names(index) == {"new"}


def test_an_answer_reads_what_changed_not_what_there_is(made: Any) -> None:
    store = filled(3000)
    index = made(store)
    assert index.search(JobSearch())[2] == 3000
    store.read.clear()
    for _ in range(10):
        index.search(JobSearch())
    assert sum(store.read) <= 10 * 40


def test_a_cold_start_begins_with_the_base_file(made: Any, clock: FakeClock) -> None:
    store = filled(3000)
    assert made(store).rebuild()["jobs"] == 3000
    newest = max(store.rows.values(), key=lambda job: job.changed_at)
    store.save(
        replace(newest, name="fresh", changed_at=newest.changed_at + timedelta(hours=1), version=9),
        expected=newest,
    )
    store.read.clear()

    cold = made(store)

    assert cold.search(JobSearch())[2] == 3000
    assert cold.search(JobSearch(search="fresh"))[2] == 1
    assert sum(store.read) < 200


def test_nothing_is_written_while_nothing_changes(made: Any, files: FakeFiles, clock: FakeClock) -> None:
    store = filled(50)
    assert made(store).rebuild()["key"] is not None
    clock.advance(600)
    assert made(store).rebuild()["key"] is None
    assert len(files.list(FOLDER)) == 1


def test_once_a_day_everything_is_read_anew_and_healed(made: Any, clock: FakeClock) -> None:
    store = filled(50)
    made(store).rebuild()
    vanished = next(iter(store.rows))
    del store.rows[vanished]
    clock.advance(600)
    assert made(store).search(JobSearch())[2] == 50
    clock.advance(24 * 3600)
    assert made(store).rebuild()["jobs"] == 49
    assert made(store).search(JobSearch())[2] == 49


def test_reading_anew_makes_only_rows_that_may_have_changed(made: Any, clock: FakeClock) -> None:
    store = filled(300)
    making: list[str] = []

    def rows(job: Job) -> dict[str, Any]:
        making.append(job.id)
        return row_of(job)

    index = made(store, rows)
    index.rebuild()
    shown = index.search(JobSearch(limit=100))
    clock.advance(24 * 3600)
    making.clear()
    index.rebuild()
    moving = {
        job.id
        for job in store.rows.values()
        if not job.is_final or clock.now - job.changed_at <= timedelta(days=2)
    }
    assert set(making) == moving
    assert 0 < len(moving) < 300
    assert index.search(JobSearch(limit=100)) == shown


def test_old_base_files_are_pruned(made: Any, files: FakeFiles, clock: FakeClock) -> None:
    store = FakeJobs()
    index = made(store)
    keys = []
    for number in range(KEPT_FILES + 3):
        clock.advance(600)
        store.save(a_job(number, at=clock.now), expected=None)
        keys.append(index.rebuild()["key"])
    assert sorted(each["key"] for each in files.list(FOLDER)) == keys[-KEPT_FILES:]


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda _: b"not a database", lambda body: body[: len(body) // 2], _flipped]
)
def test_a_damaged_base_file_is_passed_over(
    made: Any, files: FakeFiles, damage: Callable[[bytes], bytes]
) -> None:
    store = filled(300)
    made(store).rebuild()
    (listed,) = files.list(FOLDER)
    body = files.read(listed["key"], max_bytes=1 << 30)
    files.write(listed["key"], damage(body), "application/vnd.sqlite3")
    store.read.clear()
    assert made(store).search(JobSearch())[2] == 300
    assert sum(store.read) >= 300


def _other_rows(job: Job) -> dict[str, Any]:
    return {**row_of(job), "new_key": True}


def test_rows_made_by_other_code_are_not_shown(made: Any, files: FakeFiles) -> None:
    store = filled(30)
    made(store).rebuild()
    rows, _, _ = made(store, _other_rows).search(JobSearch())
    assert rows[0]["new_key"] is True


def test_any_order_of_changes_ends_in_the_same_list(made: Any) -> None:
    chance = random.Random(3)
    store = FakeJobs()
    index = made(store)
    true_time = START
    for _ in range(300):
        true_time += timedelta(seconds=chance.randrange(4))
        now = true_time + timedelta(seconds=chance.uniform(-9, 9))
        present = chance.choice(list(store.rows.values())) if store.rows else None
        if present is None or chance.random() < 0.4:
            store.save(a_job(chance.randrange(10**9), at=now), expected=None)
        elif chance.random() < 0.3:
            store.delete(present)
        else:
            status = chance.choice(list(JobStatus))
            store.save(replace(present, status=status, changed_at=now), expected=present)
        if chance.random() < 0.3:
            index.search(JobSearch())
    rows, _, total = index.search(JobSearch(limit=100))
    assert total == len(store.rows)
    assert {row["id"]: row["status"] for row in rows} == {
        job_id: store.rows[job_id].status.value for job_id in (row["id"] for row in rows)
    }
