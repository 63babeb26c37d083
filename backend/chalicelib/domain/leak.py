"""A pod that is billed and that no attempt accounts for: what it costs, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.cost import CostRecord, span_usd
from chalicelib.domain.gpu import Pod


@dataclass(frozen=True, slots=True)
class Leak:
    amount_usd: Decimal
    duration_seconds: int


def leak(pod: Pod, own: Attempt | None, known: CostRecord | None, now: datetime) -> Leak | None:
    """What the pod cost beyond its attempt until now; None while it is its attempt's own life.

    own: the attempt whose pod this is. Its lifetime is in the attempt's line, so that the two lines add up to the
    provider's bill and no second is counted twice. known: the line written when the pod was last seen; from then on
    the pod's present rate counts, so a price that changed is paid from the moment it was seen.
    """
    if own is not None and own.status is not AttemptStatus.ENDED:
        return None
    if known is not None:
        since, before_usd, before_seconds = known.at, known.amount_usd, known.duration_seconds
    else:
        since, before_usd, before_seconds = _began(pod, own) or now, Decimal(0), 0
    seconds = max(0.0, (now - since).total_seconds()) if pod.is_billed else 0.0
    return Leak(before_usd + span_usd(seconds, pod.price_usd_per_hour), before_seconds + round(seconds))


def _began(pod: Pod, own: Attempt | None) -> datetime | None:
    return pod.created_at if own is None else own.ended_at
