"""One attempt is one pod: what was asked of the provider, what became of it, what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.gpu import Candidate, Pod, Tier

_CENT_OF_CENT = Decimal("0.0001")


class AttemptStatus(StrEnum):
    REQUESTED = "requested"  # the create call is in flight or its reply was lost
    LIVE = "live"
    ENDED = "ended"  # gone, or never there


@dataclass(frozen=True, slots=True)
class RateSample:
    """The pod's own price from this moment on."""

    at: datetime
    usd_per_hour: Decimal


@dataclass(frozen=True, slots=True)
class Attempt:
    job_id: str
    number: int
    fence: str
    pod_name: str
    requested_at: datetime
    gpu_id: str
    gpu_name: str
    gpu_count: int
    tier: Tier
    status: AttemptStatus = AttemptStatus.REQUESTED
    pod_id: str | None = None
    data_center_id: str | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    end: str | None = None
    rates: tuple[RateSample, ...] = ()
    resumed_from_step: int | None = None
    billed_usd: Decimal | None = None
    version: int = 0

    def cost_usd(self, now: datetime) -> Decimal:
        """Σ seconds at each sampled rate, or what the provider billed once that is known."""
        if self.billed_usd is not None:
            return self.billed_usd
        end = self.ended_at or now
        # An attempt that never got a pod has no rate, and costs nothing.
        ends = [later.at for later in self.rates[1:]] + ([end] if self.rates else [])
        total = Decimal(0)
        for sample, until in zip(self.rates, ends, strict=True):
            seconds = max(timedelta(0), min(until, end) - sample.at).total_seconds()
            total += Decimal(str(seconds)) * sample.usd_per_hour / 3600
        return total.quantize(_CENT_OF_CENT)

    def seconds(self, now: datetime) -> float:
        """Of pod life so far."""
        if self.created_at is None:
            return 0.0
        return max(0.0, ((self.ended_at or now) - self.created_at).total_seconds())

    @property
    def rate_usd_per_hour(self) -> Decimal:
        return self.rates[-1].usd_per_hour if self.rates else Decimal(0)


def request(
    job_id: str,
    number: int,
    fence: str,
    pod_name: str,
    candidate: Candidate,
    gpu_name: str,
    gpu_count: int,
    now: datetime,
) -> Attempt:
    """The intent, stored before the create call."""
    return Attempt(
        job_id, number, fence, pod_name, now, candidate.gpu_id, gpu_name, gpu_count, candidate.tier
    )


def adopt(attempt: Attempt, pod: Pod) -> Attempt:
    """The pod exists. Its clock runs from when the provider says it was made, else from when it was asked for."""
    began = pod.created_at or attempt.requested_at
    rates = attempt.rates or (RateSample(began, pod.price_usd_per_hour),)
    return replace(
        attempt,
        status=AttemptStatus.LIVE,
        pod_id=pod.id,
        created_at=attempt.created_at or began,
        data_center_id=pod.data_center_id or attempt.data_center_id,
        rates=rates,
    )


def sample_rate(attempt: Attempt, pod: Pod, now: datetime) -> Attempt:
    """A new sample only when the pod's price changed; a price of 0 means it is no longer billed."""
    if not attempt.rates or attempt.rate_usd_per_hour == pod.price_usd_per_hour:
        return attempt
    return replace(attempt, rates=(*attempt.rates, RateSample(now, pod.price_usd_per_hour)))


def finish(attempt: Attempt, why: str, now: datetime) -> Attempt:
    """Gone. The first ending stays."""
    if attempt.status is AttemptStatus.ENDED:
        return attempt
    return replace(attempt, status=AttemptStatus.ENDED, ended_at=now, end=why)


def total_usd(attempts: Iterable[Attempt], now: datetime) -> Decimal:
    """What the attempts cost together, those still at work up to now."""
    return sum((attempt.cost_usd(now) for attempt in attempts), Decimal(0))
