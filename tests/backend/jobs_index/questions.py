"""Any question that can be asked of the jobs of `rows`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.domain.job import JobStatus
from chalicelib.domain.job_search import COST_BUCKETS, SORTS, TABS, JobSearch
from hypothesis import strategies as st

from tests.backend.jobs_index.rows import PEOPLE, PRESETS, TAGS
from tests.builders import a_job
from tests.fakes import START

WORDS = (
    "el",
    "élan",
    "ZUR",
    "zürich",
    "night-shift",
    "shift",
    "q3",
    "better",
    '"quoted"',
    "miss",
    "17",
    "R&D",
    "!!",
    "nothing-like-it",
    "NEAR",
    "OR",
    "col*",
    "name:plain",
)


def _some(values: Any) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(list(values)), max_size=2, unique=True).map(tuple)


# Whole days, as the site asks for them, and instants.
_MIDNIGHT = START.replace(hour=0, minute=0)
_DAYS = st.integers(-95, 2).map(lambda days: _MIDNIGHT + timedelta(days=days))
_INSTANTS = st.integers(-95 * 1440, 2 * 1440).map(lambda minutes: START + timedelta(minutes=minutes))
_BOUNDS = st.none() | _DAYS | _INSTANTS
_FULL = st.builds(
    JobSearch,
    created_from=st.none() | _DAYS,
    created_before=st.none() | _DAYS,
    reaches_now=st.booleans(),
    sort_by=st.sampled_from(SORTS),
    descending=st.booleans(),
    page=st.integers(1, 130),
    limit=st.sampled_from([1, 25, 100]),
)
_NARROW = st.builds(
    JobSearch,
    tab=st.sampled_from(TABS),
    statuses=_some([status.value for status in JobStatus]),
    presets=_some(PRESETS),
    created_by=_some([person.id for person in PEOPLE]),
    costs=_some(COST_BUCKETS),
    gpu_tiers=_some(["spot", "on_demand"]),
    tags=_some(TAGS),
    ids=st.just(())
    | st.sets(st.integers(1, 3000), max_size=40).map(lambda all: tuple(a_job(n).id for n in all)),
    created_from=_BOUNDS,
    created_before=_BOUNDS,
    reaches_now=st.booleans(),
    search=st.lists(st.sampled_from(WORDS), max_size=2).map(" ".join),
    sort_by=st.sampled_from(SORTS),
    descending=st.booleans(),
    page=st.integers(1, 4),
    limit=st.sampled_from([1, 25, 100]),
)


# Without a filter the counts are added up rather than counted, so half of the questions have none.
QUESTIONS = _FULL | _NARROW
