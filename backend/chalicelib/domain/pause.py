"""One pause of a job: from the wish to the next run. Paused time is counted apart from active time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.person import Person

KEPT_DAYS = 30
KEPT_DAYS_LIMITS = (1, 365)


@dataclass(frozen=True, slots=True)
class Pause:
    """paused_at: when no GPU was left (None: still pausing). step: of the checkpoint it goes on from, None for the
    beginning. own_checkpoint: whether that one was stored for this pause. resumed_at, resumed_by: who asked to go on.
    over_at: when the next run took the job out of the queue. expired_at: when it was given up; from then on it is only
    tidied away."""

    asked_at: datetime
    asked_by: Person
    paused_at: datetime | None = None
    step: int | None = None
    own_checkpoint: bool = False
    resumed_at: datetime | None = None
    resumed_by: Person | None = None
    over_at: datetime | None = None
    expired_at: datetime | None = None


def paused_seconds(pauses: Sequence[Pause], until: datetime) -> float:
    """Without a GPU, the wait in the queue after resuming included. until: now, or the job's end."""
    spans = [(each.over_at or until) - each.paused_at for each in pauses if each.paused_at is not None]
    return sum(max(0.0, span.total_seconds()) for span in spans)


def kept_until(pause: Pause, kept_days: int) -> datetime | None:
    """When its checkpoint goes and the job can no longer be resumed; None while it is still pausing."""
    return None if pause.paused_at is None else pause.paused_at + timedelta(days=kept_days)


def active_seconds(started_at: datetime, pauses: Sequence[Pause], until: datetime) -> float:
    """Since the first start, without the time it was paused."""
    return max(0.0, (until - started_at).total_seconds() - paused_seconds(pauses, until))
