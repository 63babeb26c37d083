"""The books of a period, added up in every way a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.cost import LEAKED, CostRecord
from chalicelib.domain.errors import ValidationFailed

PERIOD_DAYS = {"week": 7, "month": 30, "year": 365}
DEFAULT_PERIOD = "month"
MOST_DAYS = 732


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days; both ends are in it."""

    first: date
    last: date
    label: str

    @property
    def start(self) -> datetime:
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime(self.last.year, self.last.month, self.last.day, tzinfo=UTC) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sum:
    """One row of an addition. id: what it is about; name: how a person knows it."""

    id: str
    name: str
    amount_usd: Decimal
    leaked_usd: Decimal


@dataclass(frozen=True, slots=True)
class Spending:
    """provisional_usd: the part not yet settled against the provider's bill."""

    total_usd: Decimal
    leaked_usd: Decimal
    provisional_usd: Decimal
    by_type: tuple[Sum, ...]
    by_job: tuple[Sum, ...]
    by_client: tuple[Sum, ...]
    by_project: tuple[Sum, ...]
    by_person: tuple[Sum, ...]
    by_day: tuple[Sum, ...]
    leaked_by_week: tuple[Sum, ...]


def period(name: str | None, first: date | None, last: date | None, now: datetime) -> Period:
    """The last 7, 30 or 365 days, today included; or from the first day to the last, both included."""
    today = now.astimezone(UTC).date()
    if first is None and last is None:
        days = PERIOD_DAYS[name or DEFAULT_PERIOD]
        return Period(today - timedelta(days=days - 1), today, f"Last {days} days")
    if first is None or last is None:
        field = "start_date" if first is None else "end_date"
        raise ValidationFailed({field: ["Give both ends of the range, or neither."]})
    if last < first:
        raise ValidationFailed({"end_date": ["Must not lie before start_date."]})
    if (last - first).days >= MOST_DAYS or last > date(9999, 1, 1):
        raise ValidationFailed({"start_date": [f"At most {MOST_DAYS} days at once."]})
    return Period(first, last, f"{first.isoformat()} to {last.isoformat()}")


def add_up(lines: Sequence[CostRecord], about: Period) -> Spending:
    """Largest first where a person looks for what cost most; by time where time is the question."""
    return Spending(
        total_usd=_total(lines),
        leaked_usd=_total(line for line in lines if line.type == LEAKED),
        provisional_usd=_total(line for line in lines if line.provisional),
        by_type=_by(lines, lambda line: (line.type, line.type)),
        by_job=_by(lines, lambda line: (line.job_id, line.job_name)),
        by_client=_by(lines, lambda line: (line.client_id or "", line.client_id or "")),
        by_project=_by(lines, lambda line: (line.project_id or "", line.project_id or "")),
        by_person=_by(lines, lambda line: (line.person_id, line.person_name)),
        by_day=_by_day(lines, about),
        leaked_by_week=_by_week(lines, about),
    )


def _total(lines: Iterable[CostRecord]) -> Decimal:
    return sum((line.amount_usd for line in lines), Decimal(0))


def _by(lines: Iterable[CostRecord], key: Callable[[CostRecord], tuple[str, str]]) -> tuple[Sum, ...]:
    """One sum per id, largest first. A name that is empty in some lines is taken from the others."""
    sums: dict[str, Sum] = {}
    for line in lines:
        identity, name = key(line)
        before = sums.get(identity, Sum(identity, "", Decimal(0), Decimal(0)))
        sums[identity] = _added(before, line, name or before.name)
    return tuple(sorted(sums.values(), key=lambda each: (-each.amount_usd, each.id)))


def _added(before: Sum, line: CostRecord, name: str) -> Sum:
    leaked = line.amount_usd if line.type == LEAKED else Decimal(0)
    return Sum(before.id, name, before.amount_usd + line.amount_usd, before.leaked_usd + leaked)


def _by_day(lines: Sequence[CostRecord], about: Period) -> tuple[Sum, ...]:
    """Every day of the period, the empty ones too: a chart has no holes."""
    known = {each.id: each for each in _by(lines, lambda line: (_day(line).isoformat(), ""))}
    days = ((about.first + timedelta(days=n)).isoformat() for n in range((about.last - about.first).days + 1))
    return tuple(known.get(day, Sum(day, "", Decimal(0), Decimal(0))) for day in days)


def _by_week(lines: Sequence[CostRecord], about: Period) -> tuple[Sum, ...]:
    """Leaks per ISO week, oldest first, weeks without one included."""
    known = {each.id: each for each in _by(lines, lambda line: (iso_week(_day(line)), ""))}
    weeks: dict[str, None] = {}
    for n in range((about.last - about.first).days + 1):
        weeks[iso_week(about.first + timedelta(days=n))] = None
    return tuple(known.get(week, Sum(week, "", Decimal(0), Decimal(0))) for week in weeks)


def _day(line: CostRecord) -> date:
    return line.at.astimezone(UTC).date()


def iso_week(day: date) -> str:
    """`2026-W48`; the year is that of the week's Thursday."""
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"
