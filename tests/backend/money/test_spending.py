"""Adding up the books: periods, sums, leaks a week."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from chalicelib.domain.cost import LEAKED, TRAINING_COMPUTE, CostRecord, month_of, months_between
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.spending import add_up, iso_week, period
from chalicelib.use_cases.read_costs import read_costs

from tests.fakes import FakeCosts

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


def line(number: int, usd: str, at: datetime, kind: str = TRAINING_COMPUTE, **changes: object) -> CostRecord:
    made = CostRecord(
        f"job_{number:016d}",
        f"attempt#{number:04d}",
        kind,
        Decimal(usd),
        "H100",
        1,
        60,
        at,
        month_of(at),
        1,
        True,
        "usr_a",
        "pod",
        "Ada",
        f"Job {number}",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "first"),
    [("week", date(2026, 11, 20)), ("month", date(2026, 10, 28)), (None, date(2026, 10, 28))],
)
def test_a_period_is_so_many_days_and_today_is_the_last(name: str | None, first: date) -> None:
    found = period(name, None, None, NOW)
    assert (found.first, found.last) == (first, date(2026, 11, 26))
    assert found.start <= NOW < found.end


def test_both_ends_of_a_range_are_in_it() -> None:
    found = period(None, date(2026, 11, 1), date(2026, 11, 2), NOW)
    assert (found.start, found.end) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (date(2026, 11, 2), None, "end_date"),
        (None, date(2026, 11, 2), "start_date"),
        (date(2026, 11, 2), date(2026, 11, 1), "end_date"),
        (date(2020, 1, 1), date(2026, 1, 1), "start_date"),
        (date(9999, 12, 31), date(9999, 12, 31), "start_date"),
    ],
)
def test_a_range_that_cannot_be_read_names_its_field(
    first: date | None, last: date | None, field: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        period(None, first, last, NOW)
    assert list(refused.value.details) == [field]


def test_months_between_are_those_a_span_touches() -> None:
    def months(start: datetime, end: datetime) -> list[str]:
        return months_between(start, end)

    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert months(datetime(2026, 11, 30, 23, tzinfo=UTC), december) == ["2026-11"]
    assert months(december - timedelta(days=40), december + timedelta(days=40)) == [
        "2026-10",
        "2026-11",
        "2026-12",
        "2027-01",
    ]


def test_every_sum_adds_up_to_the_total() -> None:
    lines = [
        line(1, "2.50", NOW, client_id="acme", project_id="p1", provisional=False),
        line(2, "1.25", NOW - timedelta(days=1), client_id="acme", person_id="usr_b", person_name="Bo"),
        line(
            1,
            "0.25",
            NOW - timedelta(days=8),
            LEAKED,
            key="leak#x",
            person_id="",
            person_name="",
            job_name="",
        ),
    ]
    found = add_up(lines, period("month", None, None, NOW))
    for sums in (
        found.by_type,
        found.by_job,
        found.by_client,
        found.by_project,
        found.by_person,
        found.by_day,
    ):
        assert sum(each.amount_usd for each in sums) == found.total_usd == Decimal("4.00")
    assert found.leaked_usd == Decimal("0.25")
    assert found.provisional_usd == Decimal("1.50")
    assert [(each.id, each.name, each.amount_usd, each.leaked_usd) for each in found.by_job] == [
        ("job_0000000000000001", "Job 1", Decimal("2.75"), Decimal("0.25")),
        ("job_0000000000000002", "Job 2", Decimal("1.25"), Decimal("0")),
    ]
    assert [(each.id, each.amount_usd) for each in found.by_client] == [
        ("acme", Decimal("3.75")),
        ("", Decimal("0.25")),
    ]
    assert [each.id for each in found.by_person] == ["usr_a", "usr_b", ""]
    assert len(found.by_day) == 30
    weeks = {each.id: each.leaked_usd for each in found.leaked_by_week}
    assert {week: usd for week, usd in weeks.items() if usd} == {"2026-W47": Decimal("0.25")}


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    assert [iso_week(date(2027, 1, 1)), iso_week(date(2027, 1, 4))] == ["2026-W53", "2027-W01"]


def test_pages_give_every_line_once_in_order() -> None:
    costs = FakeCosts()
    for number in range(1, 8):
        costs.put(line(number, "1", NOW - timedelta(hours=number // 2)))
    about = period("week", None, None, NOW)
    seen: list[CostRecord] = []
    after: str | None = None
    while True:
        page = read_costs(about, after, 3, costs=costs)
        assert page.spending.total_usd == 7
        seen += page.lines
        after = page.after
        if after is None:
            break
    assert seen == list(costs.between(about.start, about.end))
