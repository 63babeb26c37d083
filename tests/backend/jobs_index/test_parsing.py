from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.job_search import JobSearch, parse
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START


def _parse(**values: object) -> JobSearch:
    return parse(values, now=START, user_id="usr_me")


def test_no_parameters_ask_for_everything_newest_first() -> None:
    assert _parse() == JobSearch()


def test_several_values_stand_between_commas() -> None:
    asked = _parse(status="queued, running,queued", cost="lt_50,gt_200", created_by="me,usr_2", tag="a,b")
    assert asked.statuses == ("queued", "running")
    assert asked.costs == ("lt_50", "gt_200")
    assert asked.created_by == ("usr_me", "usr_2")
    assert asked.tags == ("a", "b")


def test_both_days_of_a_range_are_included() -> None:
    asked = _parse(date_from="2026-11-01", date_to="2026-11-21")
    assert asked.created_from == datetime(2026, 11, 1, tzinfo=UTC)
    assert asked.created_before == datetime(2026, 11, 22, tzinfo=UTC)
    assert asked.reaches_now is False
    assert _parse(date_from="2026-11-01").reaches_now is True
    assert _parse(date_from="2026-11-01", date_to="2026-11-22").reaches_now is True


def test_instants_carry_their_offset() -> None:
    assert _parse(date_from="2026-11-22T10:00:00+02:00").created_from == START - timedelta(hours=2)
    assert _parse(date_from="2026-11-22T10:00:00 02:00").created_from == START - timedelta(hours=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tab", "everything"),
        ("status", "queued,unknown"),
        ("cost", "50"),
        ("gpu_tier", "cheap"),
        ("sort_by", "id; DROP TABLE jobs"),
        ("sort_dir", "up"),
        ("page", "0"),
        ("page", "-1"),
        ("page", "1e3"),
        ("page", "99999999999999999999"),
        ("page", "٣"),
        ("limit", "101"),
        ("limit", "NaN"),
        ("date_from", "yesterday"),
        ("date_from", "2026-13-01"),
        ("date_to", "2026-11-22T10:00:00"),
        ("date_to", "9999-12-31"),
        ("search", "x" * 201),
        ("tag", ",".join(str(n) for n in range(51))),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        _parse(**{name: value})
    assert set(caught.value.details) == {name}


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValidationFailed) as caught:
        _parse(date_from="2026-11-22", date_to="2026-11-20")
    assert "date_to" in caught.value.details


def _complaints(values: dict[str, str]) -> set[str]:
    try:
        parse(values, now=START, user_id="usr_me")
    except ValidationFailed as error:
        return set(error.details)
    return set()


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *list(JobSearch.__dataclass_fields__),
                "status",
                "cost",
                "date_from",
                "date_to",
                "tag",
                "sort_dir",
            ]
        ),
        st.text(st.characters(), max_size=30),
    )
)
def test_any_text_is_understood_or_refused_by_name(values: dict[str, str]) -> None:
    complaints = _complaints(values)
    assert complaints <= set(values)
