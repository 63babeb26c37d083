"""The organisation's budget: a limit a UTC calendar month, and what jobs that may still spend have reserved of it.

What counts is always the books and the reservations together. A reservation says what its job may spend from a moment
on; what the books show of that since is taken off when it is added up, from the same lines. So it does not matter how
far the books lag behind: what is missing in them is still reserved, and nothing is ever counted too low.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.cost import LEAKED, CostRecord, month_of
from chalicelib.domain.estimate import BudgetImpact

THRESHOLDS_PERCENT = (80, 90, 100)
DEFAULT_GRACE_PERCENT = Decimal(10)


@dataclass(frozen=True, slots=True)
class Reservation:
    """amount_usd: what the job may spend beyond spent_before_usd; once released, what it did spend.

    at: when it was made. released_at: kept a while after, until the books surely show what was spent.
    """

    job_id: str
    amount_usd: Decimal
    spent_before_usd: Decimal
    at: datetime
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """In force from this month (`2026-11`) on, until a later one. usd None: no limit."""

    month: str
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Budget:
    """One row, changed by one conditional write. told: thresholds somebody was alerted of, `2026-11 80`."""

    limits: tuple[Limit, ...] = ()
    grace_percent: Decimal = DEFAULT_GRACE_PERCENT
    reservations: tuple[Reservation, ...] = ()
    told: tuple[str, ...] = ()
    version: int = 0

    def limit_usd(self, month: str) -> Decimal | None:
        past = [limit for limit in self.limits if limit.month <= month]
        return past[-1].usd if past else None


@dataclass(frozen=True, slots=True)
class Standing:
    """The budget of one month, added up. reserved: what each job may still spend."""

    month: str
    limit_usd: Decimal | None
    grace_percent: Decimal
    month_to_date_usd: Decimal
    reserved: Mapping[str, Decimal]
    provisional_usd: Decimal

    @property
    def reserved_usd(self) -> Decimal:
        return sum(self.reserved.values(), Decimal(0))

    @property
    def forecast_usd(self) -> Decimal:
        """If every job spends all it may."""
        return self.month_to_date_usd + self.reserved_usd

    @property
    def remaining_usd(self) -> Decimal | None:
        """Neither spent nor reserved; never below 0. None without a limit."""
        return None if self.limit_usd is None else max(Decimal(0), self.limit_usd - self.forecast_usd)

    @property
    def ceiling_usd(self) -> Decimal | None:
        """The limit and the grace above it: beyond this nothing starts."""
        return None if self.limit_usd is None else self.limit_usd * (1 + self.grace_percent / 100)

    @property
    def used_percent(self) -> float | None:
        if self.limit_usd is None:
            return None
        return 100.0 if self.limit_usd == 0 else float(self.month_to_date_usd / self.limit_usd * 100)

    def fits(self, more_usd: Decimal) -> bool:
        return self.ceiling_usd is None or self.forecast_usd + more_usd <= self.ceiling_usd


def month_span(now: datetime) -> tuple[datetime, datetime]:
    """First moment of the UTC month, and of the one after it."""
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return start, (start + timedelta(days=32)).replace(day=1)


def standing(budget: Budget, lines: Sequence[CostRecord], now: datetime) -> Standing:
    """lines: the books of this month, read after the budget."""
    month = month_of(now)
    spent: dict[str, Decimal] = {}
    for line in lines:
        if line.type != LEAKED:
            spent[line.job_id] = spent.get(line.job_id, Decimal(0)) + line.amount_usd
    reserved = {each.job_id: _left(each, spent) for each in budget.reservations}
    return Standing(
        month=month,
        limit_usd=budget.limit_usd(month),
        grace_percent=budget.grace_percent,
        month_to_date_usd=sum((line.amount_usd for line in lines), Decimal(0)),
        reserved={job_id: usd for job_id, usd in reserved.items() if usd > 0},
        provisional_usd=sum((line.amount_usd for line in lines if line.provisional), Decimal(0)),
    )


def _left(reservation: Reservation, spent: Mapping[str, Decimal]) -> Decimal:
    """Spending of earlier months is not among the lines; that makes this too high for a while, never too low."""
    since = max(Decimal(0), spent.get(reservation.job_id, Decimal(0)) - reservation.spent_before_usd)
    return max(Decimal(0), reservation.amount_usd - since)


def with_limit(budget: Budget, month: str, usd: Decimal | None, grace_percent: Decimal | None) -> Budget:
    """A limit from this month on; one that was set for the same month or later gives way."""
    earlier = tuple(limit for limit in budget.limits if limit.month < month)
    grace = budget.grace_percent if grace_percent is None else grace_percent
    return replace(budget, limits=(*earlier, Limit(month, usd)), grace_percent=grace)


def reached(found: Standing) -> tuple[int, ...]:
    """Thresholds the month's spending has passed."""
    used = found.used_percent
    return () if used is None else tuple(each for each in THRESHOLDS_PERCENT if used >= each)


def untold(budget: Budget, found: Standing) -> tuple[int, ...]:
    return tuple(each for each in reached(found) if f"{found.month} {each}" not in budget.told)


def with_told(budget: Budget, found: Standing, percents: Iterable[int]) -> Budget:
    """Words of earlier months are forgotten."""
    kept = tuple(each for each in budget.told if each.startswith(found.month))
    return replace(budget, told=(*kept, *(f"{found.month} {each}" for each in percents)))


def refusal(found: Standing, needed_usd: Decimal) -> str:
    """Why a job is not started: the limit, what is spent and reserved of it, and what is missing."""
    limit, ceiling = found.limit_usd or Decimal(0), found.ceiling_usd or Decimal(0)
    short = found.forecast_usd + needed_usd - ceiling
    grace = f" and the {found.grace_percent:f}% grace above it" if found.grace_percent else ""
    return (
        f"This job may cost up to ${needed_usd:.2f}. Of this month's budget of ${limit:.2f}, "
        f"${found.month_to_date_usd:.2f} is spent and ${found.reserved_usd:.2f} is reserved by other jobs, "
        f"so ${found.remaining_usd:.2f} is left{grace}: ${short:.2f} too little. "
        "Lower the job's cap or its cost, or ask for a higher limit."
    )


def impact(found: Standing, cap_usd: Decimal) -> BudgetImpact | None:
    """What a job with this cap would mean for the month; None without a limit."""
    limit, remaining = found.limit_usd, found.remaining_usd
    if limit is None or remaining is None:
        return None
    projected = found.forecast_usd + cap_usd
    percent = 100.0 if limit == 0 else round(float(projected / limit * 100), 1)
    level = "over" if not found.fits(cap_usd) else "grace" if projected > limit else "ok"
    return BudgetImpact(
        limit,
        found.month_to_date_usd,
        found.reserved_usd,
        remaining,
        projected,
        percent,
        len(found.reserved),
        level,
        _impact_sentence(found, cap_usd, projected, level),
    )


def _impact_sentence(found: Standing, cap_usd: Decimal, projected: Decimal, level: str) -> str:
    limit = found.limit_usd or Decimal(0)
    if level == "over":
        return refusal(found, cap_usd)
    if level == "grace":
        over = projected - limit
        return (
            f"Slight Overage: with this job up to ${projected:.2f} of the ${limit:.2f} budget may be spent, "
            f"${over:.2f} above it. Proceeding is allowed within the {found.grace_percent:f}% grace."
        )
    return (
        f"Up to ${projected:.2f} of this month's ${limit:.2f} with this job and {len(found.reserved)} others."
    )


def figures(found: Standing, needed_usd: Decimal) -> dict[str, str]:
    ceiling = found.ceiling_usd or Decimal(0)
    return {
        "month": found.month,
        "limit_usd": f"{found.limit_usd or Decimal(0):.2f}",
        "grace_percent": f"{found.grace_percent:f}",
        "month_to_date_usd": f"{found.month_to_date_usd:.2f}",
        "reserved_usd": f"{found.reserved_usd:.2f}",
        "remaining_usd": f"{found.remaining_usd or Decimal(0):.2f}",
        "needed_usd": f"{needed_usd:.2f}",
        "shortfall_usd": f"{max(Decimal(0), found.forecast_usd + needed_usd - ceiling):.2f}",
    }
