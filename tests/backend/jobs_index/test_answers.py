from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.job_search import JobSearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.jobs_index import by_hand
from tests.backend.jobs_index.questions import QUESTIONS
from tests.backend.jobs_index.rows import many, row_of
from tests.builders import a_job
from tests.fakes import START, FakeClock, FakeJobs

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
JOBS = many(3000)


@pytest.fixture(scope="module")
def index() -> Iterator[JobsIndex]:
    store = FakeJobs()
    store.rows = {job.id: job for job in JOBS}
    made = JobsIndex(store, FakeFiles(), row_of, FakeClock())
    yield made
    made.close()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(question=QUESTIONS)
def test_every_question_has_the_answer_found_by_hand(index: JobsIndex, question: JobSearch) -> None:
    rows, counts, total = index.search(question)
    ids, by_hand_counts, by_hand_total = by_hand.answer(JOBS, question, START)
    assert total == by_hand_total
    assert counts == by_hand_counts
    assert [row["id"] for row in rows] == ids


def test_rows_and_counts_have_the_keys_of_the_contract(index: JobsIndex) -> None:
    example = json.loads((EXAMPLES / "job_list.json").read_text("utf-8"))["data"]
    rows, counts, _ = index.search(JobSearch())
    assert set(rows[0]) == set(example["jobs"][0])
    assert set(counts) == set(example["counts"])
    assert set(counts["tab"]) == set(example["counts"]["tab"])
    assert set(counts["cost"]["lt_50"]) == set(example["counts"]["cost"]["lt_50"])
    assert set(counts["created_by"][0]) == set(example["counts"]["created_by"][0])


def test_active_jobs_are_listed_however_old_when_the_range_reaches_now(index: JobsIndex) -> None:
    question = JobSearch(created_from=START - timedelta(days=1), limit=100)
    active = sum(by_hand.FACETS["tab"](job, JobSearch(tab="active")) for job in JOBS)
    assert index.search(question)[1]["tab"]["active"] == active
    past = JobSearch(created_from=START - timedelta(days=1), created_before=START, reaches_now=False)
    assert index.search(past)[1]["tab"]["active"] < active


def _alone(**facts: Any) -> JobsIndex:
    store = FakeJobs()
    store.save(a_job(1, **facts), expected=None)
    return JobsIndex(store, FakeFiles(), row_of, FakeClock())


@pytest.mark.parametrize(
    ("facts", "search", "highlights"),
    [
        ({"name": "Elena - Balanced"}, "bal", {"name": "Elena - <mark>Balanced</mark>"}),
        ({"name": "Élan"}, "elan", {"name": "<mark>Élan</mark>"}),
        (
            {"name": "<b>R&D</b>", "tags": ("R&D",)},
            "r&d",
            {"name": "&lt;b><mark>R&D</mark>&lt;/b>", "tags": "<mark>R&D</mark>"},
        ),
        ({"name": "a\x02b", "notes": "x" * 9 + " <mark>"}, "b", {"name": "a <mark>b</mark>"}),
        (
            {"name": "x", "notes": "<script>alert(1)</script>"},
            "alert",
            {"notes": "&lt;script><mark>alert</mark>(1)&lt;/script>"},
        ),
    ],
)
def test_highlights_mark_hits_and_let_no_other_tag_begin(
    facts: dict[str, Any], search: str, highlights: dict[str, str]
) -> None:
    index = _alone(**facts)
    (row,) = index.search(JobSearch(search=search))[0]
    assert row["highlights"] == highlights
    index.close()


def test_long_notes_are_shown_as_a_snippet_around_the_hit() -> None:
    index = _alone(notes=" ".join(f"w{n}" for n in range(4000)))
    (row,) = index.search(JobSearch(search="w2000"))[0]
    assert "<mark>w2000</mark>" in row["highlights"]["notes"]
    assert len(row["highlights"]["notes"]) < 400
    index.close()


ANYTHING = st.text(st.characters(), max_size=40)


@settings(max_examples=150, deadline=None)
@given(name=ANYTHING, notes=ANYTHING, tag=ANYTHING, search=ANYTHING)
def test_no_text_breaks_the_index_or_the_search(name: str, notes: str, tag: str, search: str) -> None:
    index = _alone(name=name, notes=notes, tags=(tag,))
    _, counts, total = index.search(JobSearch(search=search))
    assert total in (0, 1)
    assert counts["tab"]["all"] == total
    assert index.search(JobSearch())[0][0]["name"] == name
    index.close()


@pytest.mark.parametrize(
    "search",
    [
        '"',
        "'",
        '""" OR 1',
        "name:x",
        "NEAR(a b)",
        "a*",
        "^a",
        "-a",
        "a AND NOT",
        "{name} : x",
        "\x00a",
        "\ud800a",
        "(",
        ";--",
    ],
)
def test_search_syntax_is_only_text(search: str) -> None:
    index = _alone(name="nothing of this")
    assert index.search(JobSearch(search=search))[2] == 0
    index.close()


def test_every_row_of_all_pages_comes_in_the_list_s_order(index: JobsIndex) -> None:
    question = JobSearch(sort_by="cost", tab="completed", limit=100)
    pages = [index.search(replace(question, page=number)) for number in (1, 2, 3, 4)]
    listed = [row["id"] for rows, _, _ in pages for row in rows]
    rows, total = index.every(question, 10_000)
    assert [row["id"] for row in rows] == listed[: pages[0][2]]
    assert total == pages[0][2] > 100
    some, total = index.every(question, 7)
    assert ([row["id"] for row in some], total) == (listed[:7], pages[0][2])


def test_ids_narrow_what_is_asked_for(index: JobsIndex) -> None:
    wanted = tuple(job.id for job in JOBS[5:9])
    rows, total = index.every(JobSearch(ids=wanted), 100)
    assert ({row["id"] for row in rows}, total) == (set(wanted), 4)


def test_a_search_for_signs_only_exports_nothing(index: JobsIndex) -> None:
    rows, total = index.every(JobSearch(search="!!"), 100)
    assert (list(rows), total) == ([], 0)
