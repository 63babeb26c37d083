"""What a pod costs and how that is written down. Money is Decimal dollars, rounded in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

TRAINING_COMPUTE = "training_compute"
LEAKED = "leaked"
TYPES = (TRAINING_COMPUTE, LEAKED)

_SECONDS_PER_HOUR = Decimal(3600)
_MICRO_USD = Decimal("0.000001")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class CostRecord:
    """One line of the books: what one attempt of one job cost, or what one pod cost that no attempt accounts for.

    key: unique within the job (see `attempt_key`, `leak_key`); writing the same key again corrects the line.
    at: when the pod was last billed; month: its UTC calendar month, `2026-11`. attempt: 0 when a leak has none.
    provisional: not yet settled against the provider's bill. person_id: whose quota it counts against.
    """

    job_id: str
    key: str
    type: str
    amount_usd: Decimal
    gpu_name: str
    gpu_count: int
    duration_seconds: int
    at: datetime
    month: str
    attempt: int
    provisional: bool
    person_id: str
    pod_id: str = ""
    person_name: str = ""
    job_name: str = ""
    client_id: str | None = None
    project_id: str | None = None


def attempt_key(attempt: int) -> str:
    """The key of an attempt's line; sorts by attempt."""
    return f"attempt#{attempt:04d}"


def leak_key(pod_id: str) -> str:
    """The key of a leaked pod's line."""
    return f"leak#{pod_id}"


def month_of(at: datetime) -> str:
    """The UTC calendar month a cost belongs to, as `YYYY-MM`."""
    return f"{at.year:04d}-{at.month:02d}"


def months_between(start: datetime, end: datetime) -> list[str]:
    """Every UTC calendar month that [start, end) touches, in order."""
    months, year, month = [], start.year, start.month
    while datetime(year, month, 1, tzinfo=end.tzinfo) < end:
        months.append(f"{year:04d}-{month:02d}")
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months


def span_usd(seconds: float, usd_per_hour: Decimal) -> Decimal:
    """Dollars for a stretch of time at one rate, to the microsecond, as attempts are reckoned."""
    exact = Decimal(str(max(0.0, seconds))) * usd_per_hour / _SECONDS_PER_HOUR
    return exact.quantize(_MICRO_USD, ROUND_HALF_UP)


def pod_cost_usd(seconds: float, usd_per_hour: Decimal) -> Decimal:
    """Dollars for a pod that was billed for `seconds` at `usd_per_hour` (whole pod, all its GPUs).

    Billing is per second and a started second counts, so seconds are rounded up to whole ones; the amount
    is rounded half up to a millionth of a dollar. Cents appear only where money is shown. Negative times cost
    nothing.
    """
    billed_seconds = max(0, math.ceil(seconds))
    return (usd_per_hour * billed_seconds / _SECONDS_PER_HOUR).quantize(_MICRO_USD, ROUND_HALF_UP)


# Assumed: five minutes to start; ten to save, evaluate, export and upload until that was measured (`domain/closing.py`).
START_UP_SECONDS = 300
RESERVE_SECONDS = 600


def reserve_usd(usd_per_hour: Decimal, seconds: int = RESERVE_SECONDS) -> Decimal:
    """What is kept back of the spend cap for finishing well."""
    return usd_per_hour * seconds / _SECONDS_PER_HOUR


def least_cap_usd(usd_per_hour: Decimal, reserve_seconds: int = RESERVE_SECONDS) -> Decimal:
    """Below this a pod would be rented only to be ended: it pays start-up and the reserve. Whole cents, rounded up."""
    needed = usd_per_hour * (START_UP_SECONDS + reserve_seconds) / _SECONDS_PER_HOUR
    return needed.quantize(_CENT, ROUND_UP)


def cents(amount_usd: Decimal) -> Decimal:
    """The amount as shown: two decimals, half up."""
    return amount_usd.quantize(_CENT, ROUND_HALF_UP)
