"""What finished jobs teach: how far estimates were off, how often spot pods go away, how often presets
succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain import base_models, catalogue, workload
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.estimate import Accuracy
from chalicelib.domain.gpu import Tier
from chalicelib.domain.job import Job, JobStatus

ACCURACY_WINDOW = timedelta(days=90)
# Fewer cases say nothing about a rate, so none is shown.
LEAST_CASES = 5
PRIOR_INTERRUPTION_PROBABILITY = 0.2
PRIOR_SPREAD = (0.7, 1.5)
LEAST_SPREAD = (0.85, 1.15)
_WIDEST_SPREAD = (0.4, 3.0)
_RATIO_BOUNDS = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """One completed or failed job. Hours are billed pod hours; None where no estimate or cost was kept.

    prior_hours: what the formula alone says today. expected/low/high_hours: what was promised at start.
    clean: trained in one go, without a recovery or a pause.
    """

    id: str
    completed: bool
    ended_at: datetime
    person_id: str
    preset_id: str
    base_model_id: str
    tier: str
    clean: bool
    prior_hours: float | None = None
    actual_hours: float | None = None
    expected_hours: float | None = None
    low_hours: float | None = None
    high_hours: float | None = None
    gpu_type: str = ""
    closing_seconds: float | None = None


def as_record(job: FinishedJob) -> dict[str, Any]:
    """Plain JSON values, as it is kept."""
    return {**asdict(job), "ended_at": job.ended_at.isoformat()}


def from_record(record: Mapping[str, Any]) -> FinishedJob:
    return FinishedJob(**{**record, "ended_at": datetime.fromisoformat(str(record["ended_at"]))})


@dataclass(frozen=True, slots=True)
class Correction:
    """factor multiplies the prior; low and high multiply the corrected figure. sample_size: jobs behind it."""

    factor: float
    low: float
    high: float
    sample_size: int


def finished(job: Job) -> FinishedJob | None:
    """The facts of a job that completed or failed; None for any other."""
    if job.status not in {JobStatus.COMPLETED, JobStatus.FAILED} or job.ended_at is None:
        return None
    facts = FinishedJob(
        id=job.id,
        completed=job.status is JobStatus.COMPLETED,
        ended_at=job.ended_at,
        person_id=job.created_by.id,
        preset_id=job.configuration.preset_id,
        base_model_id=job.configuration.base_model_id,
        tier=job.configuration.gpu.tier.value,
        clean=job.recoveries == 0 and job.run <= 1,
        gpu_type=job.configuration.gpu.type,
        closing_seconds=job.closing_seconds,
    )
    return _with_hours(facts, job)


def _with_hours(facts: FinishedJob, job: Job) -> FinishedJob:
    estimate = job.estimate
    if estimate is None or not job.cost_usd or not estimate.hourly_rate_usd:
        return facts
    # Money over rate, so that pauses and queueing, which cost nothing, do not count as time.
    hours = float(job.cost_usd / estimate.hourly_rate_usd)
    promised = estimate.duration_hours
    return replace(
        facts,
        prior_hours=_prior_hours(job),
        actual_hours=hours,
        expected_hours=promised.expected,
        low_hours=promised.low,
        high_hours=promised.high,
    )


def _prior_hours(job: Job) -> float | None:
    wanted = job.configuration
    model = base_models.find(wanted.base_model_id)
    gpu = catalogue.gpu_type(wanted.gpu.type)
    if model is None or gpu is None:
        return None
    data = job.dataset
    work = workload.measure(
        data.conversations, data.training_pairs, data.tokens, wanted.hyperparameters, job.given_step
    )
    return workload.prior_seconds(work, model, gpu, wanted.gpu.count, wanted.export_merged) / 3600


def correction(record: Iterable[FinishedJob], model: BaseModel) -> Correction:
    """Median of actual over prior hours: of this model's clean completed jobs, else of its kind (local or
    not).

    Few jobs move the prior part of the way: with n of them by the power n/(n+1). The range is the
    prior's until     five jobs are known, then the spread those showed, never narrower than +-15 %.
    """
    ratios = _ratios(record, lambda job: job.base_model_id == model.id)
    if not ratios:
        ratios = _ratios(record, lambda job: _is_local(job.base_model_id) == model.local)
    count = len(ratios)
    if count == 0:
        return Correction(1.0, *PRIOR_SPREAD, 0)
    # Here, not above: every cold start of the API would pay for it.
    from statistics import median

    middle = median(ratios)
    factor = middle ** (count / (count + 1))
    if count < LEAST_CASES:
        return Correction(factor, *PRIOR_SPREAD, count)
    low = max(_WIDEST_SPREAD[0], min(LEAST_SPREAD[0], _quantile(ratios, 0.1) / middle))
    high = min(_WIDEST_SPREAD[1], max(LEAST_SPREAD[1], _quantile(ratios, 0.9) / middle))
    return Correction(factor, low, high, count)


def _ratios(record: Iterable[FinishedJob], wanted: Callable[[FinishedJob], bool]) -> list[float]:
    low, high = _RATIO_BOUNDS
    return sorted(
        min(high, max(low, job.actual_hours / job.prior_hours))
        for job in record
        if job.completed and job.clean and job.prior_hours and job.actual_hours and wanted(job)
    )


def _is_local(model_id: str) -> bool:
    model = base_models.find(model_id)
    return model is not None and model.local


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]


def accuracy(record: Iterable[FinishedJob], preset_id: str, preset_name: str, now: datetime) -> Accuracy:
    """Error of past estimates over 90 days: of this preset when it has five completed jobs, else of all."""
    known = [
        job
        for job in record
        if job.completed and job.actual_hours and job.expected_hours and job.ended_at >= now - ACCURACY_WINDOW
    ]
    own = [job for job in known if job.preset_id == preset_id]
    about = f"the {preset_name} preset" if len(own) >= LEAST_CASES else "all presets"
    cases = own if len(own) >= LEAST_CASES else known
    if not cases:
        return Accuracy(0, None, None, "No completed jobs yet to compare estimates with.")
    errors = [
        abs((job.actual_hours or 0) - (job.expected_hours or 1)) / (job.expected_hours or 1) for job in cases
    ]
    inside = [
        job for job in cases if (job.low_hours or 0) <= (job.actual_hours or 0) <= (job.high_hours or 0)
    ]
    error = round(100 * sum(errors) / len(errors), 1)
    share = round(100 * len(inside) / len(cases), 1)
    jobs = "1 completed job" if len(cases) == 1 else f"{len(cases)} completed jobs"
    sentence = (
        f"Past estimates were off by {error:.0f}% on average for {about}; "
        f"{share:.0f}% of {jobs} in the last 90 days ended within their range."
    )
    return Accuracy(len(cases), error, share, sentence)


def interruption_probability(record: Iterable[FinishedJob]) -> float:
    """Share of spot jobs that did not run in one go; a fifth until five of them are known."""
    spot = [job for job in record if job.tier == Tier.SPOT.value]
    if len(spot) < LEAST_CASES:
        return PRIOR_INTERRUPTION_PROBABILITY
    return sum(not job.clean for job in spot) / len(spot)


def successes_of(record: Iterable[FinishedJob], person_id: str | None) -> int:
    return sum(job.completed and job.person_id == person_id for job in record)


def success_counts(record: Iterable[FinishedJob], preset_id: str) -> tuple[int, int]:
    """(completed, failed) of one preset."""
    of_preset = [job.completed for job in record if job.preset_id == preset_id]
    return sum(of_preset), len(of_preset) - sum(of_preset)
