"""Any changes, in any order, leave answers that are the same as if everything had been counted anew."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from chalicelib.adapters.jobs_index_bits import Slices, bits_of, numbers_of
from chalicelib.adapters.jobs_index_days import RunningTotal
from chalicelib.adapters.jobs_index_pages import Pages
from chalicelib.adapters.jobs_index_rows import microseconds
from chalicelib.adapters.jobs_index_sql import SCHEMA
from chalicelib.adapters.jobs_index_table import JobsTable
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import SORTS, JobSearch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backend.jobs_index import by_hand
from tests.backend.jobs_index.questions import QUESTIONS
from tests.backend.jobs_index.rows import many, row_of
from tests.builders import a_job
from tests.fakes import START

POOL = many(400, seed=11)


def _table(connection: apsw.Connection) -> JobsTable:
    # So small that a hundred jobs fill, split and empty them.
    return JobsTable(connection, Pages(connection, few=5, block=4))


def _other(job: Job, chance: random.Random) -> Job:
    """The same job with what another one has of the things that change."""
    of = chance.choice(POOL)
    changes = [
        {"status": of.status, "started_at": of.started_at, "ended_at": of.ended_at},
        {"cost_usd": of.cost_usd},
        {"name": of.name},
        {"notes": of.notes, "description": of.description, "tags": of.tags},
        {"created_by": replace(job.created_by, name=chance.choice(("Dana", "Danai", "Zoe")))},
        {"created_at": of.created_at},
        {"configuration": of.configuration},
    ]
    return replace(job, version=job.version + 1, **chance.choice(changes))  # type: ignore[arg-type]


class _Walk:
    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.jobs: dict[str, Job] = {}
        self._folder = folder
        connection = apsw.Connection(":memory:")
        connection.execute(SCHEMA)
        self.table = _table(connection)

    def step(self) -> None:
        present = self.chance.choice(list(self.jobs.values())) if self.jobs else None
        kind = self.chance.random()
        if present is None or kind < 0.4:
            self._put(replace(self.chance.choice(POOL), version=99))
        elif kind < 0.8:
            self._put(_other(present, self.chance))
        elif kind < 0.98:
            assert self.table.forget(present.id)
            assert not self.table.forget(present.id)
            del self.jobs[present.id]
        else:
            self._begin_again()

    def check(self, question: JobSearch) -> None:
        found = self.table.found(question)
        offset = (question.page - 1) * question.limit
        page = self.table.page(question, found, microseconds(START), offset, question.limit)
        ids, counts, total = by_hand.answer(list(self.jobs.values()), question, START)
        assert (found.total, found.counts) == (total, counts)
        assert [row["id"] for row in page] == ids

    def _put(self, job: Job) -> None:
        self.table.put(job, row_of(job))
        self.jobs[job.id] = job

    def _begin_again(self) -> None:
        path = self._folder / f"{uuid.uuid4()}.sqlite"
        self.table.write(str(path))
        self.table.close()
        self.table = _table(apsw.Connection(str(path)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walks")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), questions=st.lists(QUESTIONS, min_size=3, max_size=6))
def test_answers_stay_right_through_any_changes(folder: Path, seed: int, questions: list[JobSearch]) -> None:
    walk = _Walk(seed, folder)
    # Near pages, so that most have rows: a walk holds some forty jobs.
    questions = [replace(question, page=1 + question.page % 3, limit=7) for question in questions]
    for _ in range(5):
        for _ in range(20):
            walk.step()
        for question in questions:
            walk.check(question)
    walk.table.close()


@pytest.mark.parametrize("seed", range(4))
def test_every_order_stays_right_through_many_changes(folder: Path, seed: int) -> None:
    walk = _Walk(seed, folder)
    for _ in range(5):
        for _ in range(150):
            walk.step()
        for question in _every_page(len(walk.jobs)):
            walk.check(question)
    walk.table.close()


def _every_page(jobs: int) -> Iterator[JobSearch]:
    for sort_by in SORTS:
        for descending in (True, False):
            for page in range(1, jobs // 20 + 2):
                yield JobSearch(sort_by=sort_by, descending=descending, page=page, limit=20)


def test_hits_are_marked_as_in_the_table_of_all_jobs() -> None:
    """FTS5 marks each row by itself, so a copy of the rows of one page gives the same."""
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    table = _table(connection)
    notes = " ".join(f"word{number % 17}. And harbour {number}" for number in range(300))
    for job in POOL:
        table.put(replace(job, notes=f"{job.notes} {notes}"), row_of(job))
    question = JobSearch(search="harbour word3", limit=100, tab="active")
    rows = list(table.page(question, table.found(question), microseconds(START), 0, 100))
    whole = connection.execute(
        "SELECT snippet(words, 2, '<mark>', '</mark>', '…', 32) FROM words WHERE words MATCH ?",
        ('"harbour"* AND "word3"*',),
    )
    snippets = {str(text) for (text,) in whole}
    assert len(rows) == 100
    assert {row["highlights"]["notes"] for row in rows} <= snippets
    table.close()


@given(numbers=st.sets(st.integers(0, 5000), max_size=600))
def test_bits_are_numbers_and_numbers_bits(numbers: set[int]) -> None:
    assert numbers_of(bits_of(list(numbers))) == sorted(numbers)
    assert bits_of(list(numbers)) == sum(1 << number for number in numbers)


@given(values=st.lists(st.integers(0, 2**52), max_size=30), bound=st.integers(-5, 2**54))
def test_slices_compare_and_sum(values: list[int], bound: int) -> None:
    slices = Slices()
    for number, value in enumerate(values):
        slices.toggle(1 << number, value)
    every = (1 << len(values)) - 1
    assert numbers_of(slices.at_least(bound, every)) == [
        n for n, value in enumerate(values) if value >= bound
    ]
    assert slices.sum(every) == sum(values)
    assert slices.sum(every & 0b10110) == sum(value for n, value in enumerate(values) if n in (1, 2, 4))


@given(
    added=st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 9))),
    first=st.none() | st.integers(-2, 45),
    before=st.none() | st.integers(-2, 45),
)
def test_a_running_total_is_the_sum_of_its_days(
    added: list[tuple[int, int]], first: int | None, before: int | None
) -> None:
    total = RunningTotal()
    for day, amount in added:
        total.add(day, amount)
    wanted = sum(
        amount
        for day, amount in added
        if (first is None or day >= first) and (before is None or day < before)
    )
    assert total.between(first, before) == wanted


def test_money_is_added_up_to_the_millionth_with_and_without_a_filter() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    table = _table(connection)
    for number in range(3):
        row = row_of(a_job(number))
        table.put(a_job(number), {**row, "cost": {**row["cost"], "spent_usd": "1.004999"}})
    for question in (JobSearch(), JobSearch(presets=("balanced",))):
        assert table.found(question).counts["cost"] == {"lt_50": {"count": 3, "total_usd": "3.01"}}
    table.close()


def test_a_far_change_of_one_day_leaves_the_days_before_it() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    table = _table(connection)
    for number, days in enumerate((0, 400, 800)):
        job = a_job(number, at=START - timedelta(days=days))
        table.put(job, row_of(job))
    midnight = START.replace(hour=0, minute=0)
    past = JobSearch(created_before=midnight - timedelta(days=399), reaches_now=False)
    assert table.found(past).total == 2
    table.close()
