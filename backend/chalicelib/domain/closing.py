"""What a good ending takes: the time from the last step to the last file in storage, measured on our own jobs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from chalicelib.domain.cost import RESERVE_SECONDS, least_cap_usd, reserve_usd
from chalicelib.domain.progress import Money, Progress
from chalicelib.domain.track_record import FinishedJob

LEAST_JOBS = 3
_SHARE = 0.9
# The word to finish reaches the trainer with its next batch, and a step and a deletion end it.
_ON_TOP_SECONDS = 60
_MARGIN = 1.2
FLOOR_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is kept back of a cap. measured_from_jobs: 0 when it is the assumed one."""

    seconds: int
    measured_from_jobs: int


def closing_seconds(row: Progress) -> float | None:
    """From the last training step to the end of finalization, upload included; None when it cannot be told.

    Points may also come while the model is evaluated: the end of the training stage is the latest moment of a step.
    """
    training, finalization = row.stages.get("training"), row.stages.get("finalization")
    if finalization is None or finalization.completed_at is None:
        return None
    begins = [training.completed_at] if training and training.completed_at else []
    if row.pace:
        begins.append(datetime.fromtimestamp(row.pace[-1][0], UTC))
    if not begins:
        return None
    return max(0.0, (finalization.completed_at - min(begins)).total_seconds())


def money(
    rate: Decimal, since: datetime, spent_before_usd: Decimal, cap_usd: Decimal | None, kept: Reserve
) -> Money:
    """What a new pod may spend."""
    held = reserve_usd(rate, kept.seconds)
    return Money(rate, since, spent_before_usd, cap_usd, held, kept.seconds, kept.measured_from_jobs)


def reserve(record: Iterable[FinishedJob], base_model_id: str, gpu_type: str) -> Reserve:
    """The time that nine of ten such jobs needed, a fifth and a minute on top, two minutes at least.

    Of completed jobs with the same base model and GPU; ten minutes until three of them are known.
    """
    known = sorted(
        job.closing_seconds
        for job in record
        if job.completed
        and job.closing_seconds is not None
        and (job.base_model_id, job.gpu_type) == (base_model_id, gpu_type)
    )
    if len(known) < LEAST_JOBS:
        return Reserve(RESERVE_SECONDS, 0)
    upper = known[math.ceil(_SHARE * len(known)) - 1]
    return Reserve(max(FLOOR_SECONDS, math.ceil(upper * _MARGIN) + _ON_TOP_SECONDS), len(known))


def least_usd(
    record: Iterable[FinishedJob], base_model_id: str, gpu_type: str, usd_per_hour: Decimal
) -> Decimal:
    """What must be left of a cap before a pod is rented: its start-up and the reserve of such jobs."""
    return least_cap_usd(usd_per_hour, reserve(record, base_model_id, gpu_type).seconds)
