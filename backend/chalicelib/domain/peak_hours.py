"""When spot GPUs are taken away, from our own history: hours of training and losses in and out of peak hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from chalicelib.domain.stops import LEAST_CASES, JobFacts

PEAK = range(9, 17)
# Less of a difference is no reason to interrupt anybody's work.
LEAST_REDUCTION = 0.1
LEAST_HOURS = 10.0
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Hours of work, and pods lost in them."""

    peak_hours: float = 0.0
    off_peak_hours: float = 0.0
    peak_losses: int = 0
    off_peak_losses: int = 0

    @property
    def hours(self) -> float:
        return self.peak_hours + self.off_peak_hours

    @property
    def losses(self) -> int:
        return self.peak_losses + self.off_peak_losses


def exposure(facts: Iterable[JobFacts], zone: tzinfo, now: datetime, *, spot_only: bool = True) -> Exposure:
    """By quarters of an hour: peak is 9 AM to 5 PM in this zone."""
    jobs = [each for each in facts if each.is_spot or not spot_only]
    quarters = [_is_peak(at, zone) for each in jobs for at in _at_work(each, now)]
    lost = [_is_peak(at, zone) for each in jobs for at in each.losses]
    return Exposure(sum(quarters) / 4, (len(quarters) - sum(quarters)) / 4, sum(lost), len(lost) - sum(lost))


def reduction(found: Exposure) -> float | None:
    """By how much less often an hour of training is interrupted when it never falls into peak hours, 0..1; None where
    that is not known well enough or would not help."""
    enough = min(found.peak_hours, found.off_peak_hours) >= LEAST_HOURS and found.losses >= LEAST_CASES
    if not enough:
        return None
    share = 1 - (found.off_peak_losses / found.off_peak_hours) / (found.losses / found.hours)
    return share if share >= LEAST_REDUCTION else None


def off_peak_share(found: Exposure) -> float | None:
    return found.off_peak_hours / found.hours if found.hours else None


def _is_peak(at: datetime, zone: tzinfo) -> bool:
    return at.astimezone(zone).hour in PEAK


def _at_work(facts: JobFacts, now: datetime) -> Iterator[datetime]:
    """The middle of every quarter of an hour it worked, without its pauses."""
    if facts.started_at is None:
        return
    end = facts.ended_at or now
    pauses = [(p.paused_at, p.over_at or end) for p in facts.pauses if p.paused_at is not None]
    at = facts.started_at + _QUARTER / 2
    while at < end:
        over = next((until for since, until in pauses if since <= at < until), None)
        if over is None:
            yield at
            at += _QUARTER
        else:
            at = over + _QUARTER / 2
