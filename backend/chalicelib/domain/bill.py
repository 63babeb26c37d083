"""Our own count held against the provider's bill: who pays which part of it, and when it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.gpu import PodBill

# A difference below this is not worth a word.
WORTH_SAYING_USD = Decimal("0.01")
# Below our own count by no more than this, a bill is complete: our count runs until we noticed the end.
_NOTICED_LATE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one pod's bill. attempt_usd: of the attempt's own lifetime; leaked_usd: of the time beyond it."""

    attempt_usd: Decimal
    leaked_usd: Decimal


def is_final(
    bill: PodBill | None,
    counted_usd: Decimal,
    usd_per_hour: Decimal,
    ended_at: datetime,
    timings: Mapping[str, float],
    now: datetime,
) -> bool:
    """Whether the bill can be believed to be whole.

    The provider's books are hours behind and grow bucket by bucket, so a bill that is much smaller than our own count
    is taken for an unfinished one until a day has passed; one that reaches it is taken as soon as the books are due.
    """
    age = now - ended_at
    if bill is None or age < timedelta(seconds=timings["billing_lag_seconds"]):
        return False
    slack = usd_per_hour * _NOTICED_LATE_SECONDS / 3600
    return bill.total_usd >= counted_usd - slack or age >= timedelta(
        seconds=timings["billing_complete_seconds"]
    )


def share(total_usd: Decimal, attempt_usd: Decimal | None, has_leak: bool) -> Shares:
    """The bill divided so that the parts add up to it.

    attempt_usd: what the attempt's own lifetime was counted at; None when the pod has no attempt. Without a leak the
    attempt pays all of it.
    """
    if attempt_usd is None:
        return Shares(Decimal(0), total_usd)
    if not has_leak:
        return Shares(total_usd, Decimal(0))
    own = min(attempt_usd, total_usd)
    return Shares(own, total_usd - own)
