"""Jobs that were stopped or paused, as facts that outlive the jobs, and what they add up to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.configuration import Configuration
from chalicelib.domain.gpu import Tier
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.pause import Pause, paused_seconds
from chalicelib.domain.person import Person

# Fewer cases say nothing about a rate, so none is shown.
LEAST_CASES = 5


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job that ended, or was ever paused. rate_usd: of its pod an hour, as estimated. expected_usd: what the whole
    job was estimated at. losses: when a pod of it was lost. cancelled_at, reason: of a cancellation that was asked for."""

    id: str
    person: Person
    status: JobStatus
    at: datetime
    dataset_id: str
    fingerprint: str
    is_spot: bool
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancelled_at: datetime | None = None
    reason: str | None = None
    spent_usd: Decimal = Decimal(0)
    expected_usd: Decimal = Decimal(0)
    rate_usd: Decimal = Decimal(0)
    pauses: tuple[Pause, ...] = ()
    losses: tuple[datetime, ...] = ()

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    @property
    def saved_usd(self) -> Decimal:
        """What a cancelled job would still have cost."""
        return max(Decimal(0), self.expected_usd - self.spent_usd)


def facts_of(job: Job) -> JobFacts | None:
    """None for a job that has not ended and was never paused."""
    if not job.is_final and not job.pauses:
        return None
    asked = job.cancellation if job.status is JobStatus.CANCELLED else None
    estimate = job.estimate
    return JobFacts(
        id=job.id,
        person=job.created_by,
        status=job.status,
        at=job.changed_at,
        dataset_id=job.dataset.id,
        fingerprint=fingerprint(job.configuration),
        is_spot=job.configuration.gpu.tier is Tier.SPOT,
        started_at=job.started_at,
        ended_at=job.ended_at if job.is_final else None,
        cancelled_at=asked.requested_at if asked else None,
        reason=asked.reason if asked else None,
        spent_usd=job.cost_usd or Decimal(0),
        expected_usd=estimate.cost_usd.expected if estimate else Decimal(0),
        rate_usd=estimate.hourly_rate_usd if estimate else Decimal(0),
        pauses=job.pauses,
        losses=job.losses,
    )


def fingerprint(wanted: Configuration) -> str:
    """The same for configurations that train the same thing, whatever the GPU."""
    parts = (wanted.hyperparameters, wanted.base_model_id, wanted.quantization, wanted.seed)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def was_cancelled_before(facts: Iterable[JobFacts], dataset_id: str, wanted: Configuration) -> bool:
    """Whether the last job that ended with this configuration on this dataset was cancelled."""
    mark = fingerprint(wanted)
    same = [
        (each.ended_at, each)
        for each in facts
        if each.ended_at is not None and (each.dataset_id, each.fingerprint) == (dataset_id, mark)
    ]
    return bool(same) and max(same, key=lambda pair: pair[0])[1].cancelled_at is not None


@dataclass(frozen=True, slots=True)
class Cancellations:
    """rate: cancelled of those that ended, None below five. seconds_to_cancel: from the start of the work, mean over
    those that had started, None without any."""

    ended: int
    cancelled: int
    rate: float | None
    seconds_to_cancel: float | None
    started: int
    spent_usd: Decimal
    saved_usd: Decimal
    reasons: tuple[tuple[str, int], ...]


def cancellations(facts: Sequence[JobFacts]) -> Cancellations:
    ended = [each for each in facts if each.has_ended]
    stopped = [each for each in ended if each.cancelled_at is not None]
    waits = [
        (each.cancelled_at - each.started_at).total_seconds() - paused_seconds(each.pauses, each.cancelled_at)
        for each in stopped
        if each.started_at is not None and each.cancelled_at is not None
    ]
    return Cancellations(
        ended=len(ended),
        cancelled=len(stopped),
        rate=len(stopped) / len(ended) if len(ended) >= LEAST_CASES else None,
        seconds_to_cancel=max(0.0, sum(waits) / len(waits)) if waits else None,
        started=len(waits),
        spent_usd=sum((each.spent_usd for each in stopped), Decimal(0)),
        saved_usd=sum((each.saved_usd for each in stopped), Decimal(0)),
        reasons=tuple(Counter(each.reason or "other" for each in stopped).most_common()),
    )


@dataclass(frozen=True, slots=True)
class Pausing:
    """jobs: that had started; paused: of them, how many were ever paused. average_seconds: of pauses that are over.
    resumed, resumed_completed: jobs that were resumed and have ended, and those of them that completed.
    saved_usd: what the GPUs would have been billed while jobs were paused."""

    jobs: int
    paused: int
    pauses: int
    rate: float | None
    over: int
    average_seconds: float | None
    resumed: int
    resumed_completed: int
    resume_success: float | None
    saved_usd: Decimal


def pausing(facts: Sequence[JobFacts], now: datetime) -> Pausing:
    started = [each for each in facts if each.started_at is not None]
    all_pauses = [pause for each in started for pause in each.pauses if pause.paused_at is not None]
    over = [
        (pause.over_at - pause.paused_at).total_seconds()
        for pause in all_pauses
        if pause.over_at is not None and pause.paused_at is not None
    ]
    resumed = [each for each in started if each.has_ended and any(p.resumed_at for p in each.pauses)]
    completed = sum(each.status is JobStatus.COMPLETED for each in resumed)
    paused = sum(any(p.paused_at for p in each.pauses) for each in started)
    return Pausing(
        jobs=len(started),
        paused=paused,
        pauses=len(all_pauses),
        rate=paused / len(started) if len(started) >= LEAST_CASES else None,
        over=len(over),
        average_seconds=sum(over) / len(over) if over else None,
        resumed=len(resumed),
        resumed_completed=completed,
        resume_success=completed / len(resumed) if len(resumed) >= LEAST_CASES else None,
        saved_usd=sum((_saved(each, now) for each in started), Decimal(0)),
    )


def _saved(facts: JobFacts, now: datetime) -> Decimal:
    seconds = paused_seconds(facts.pauses, facts.ended_at or now)
    return facts.rate_usd * Decimal(str(round(seconds))) / 3600


def by_person(facts: Iterable[JobFacts]) -> list[tuple[Person, list[JobFacts]]]:
    """Most jobs first, ties by name."""
    found: dict[str, tuple[Person, list[JobFacts]]] = {}
    for each in facts:
        found.setdefault(each.person.id, (each.person, []))[1].append(each)
    return sorted(found.values(), key=lambda pair: (-len(pair[1]), pair[0].name))
