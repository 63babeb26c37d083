"""Jobs with an estimate, at each place of the queue's way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain import job as transitions
from chalicelib.domain.estimate import Accuracy, Estimate, Hours, MemoryFit, UsdRange
from chalicelib.domain.job import Job, JobStatus, Stage
from chalicelib.domain.progress import Progress, StageRecord

from tests.builders import a_job
from tests.fakes import START

MINUTE = timedelta(minutes=1)


def an_estimate(hours: float = 2.0, steps: int = 1000) -> Estimate:
    money = UsdRange(Decimal(1), Decimal(2), Decimal(3))
    return Estimate(
        model_version="test",
        estimated_at=START,
        duration_hours=Hours(hours, hours, hours),
        cost_usd=money,
        hourly_rate_usd=Decimal(1),
        total_steps=steps,
        steps_per_epoch=steps,
        throughput_tokens_per_second=1.0,
        training_tokens=1,
        breakdown=(),
        tiers=(),
        memory=MemoryFit(True, 1.0, 80, 1, ""),
        accuracy=Accuracy(0, None, None, ""),
        spend_cap_usd=Decimal(5),
        warnings=(),
        blockers=(),
        estimated_completion_at=START,
    )


def queued(number: int, *, at: datetime = START, hours: float = 2.0, **changes: Any) -> Job:
    draft = a_job(number, at=at, estimate=an_estimate(hours))
    return replace(transitions.start(draft, at), **changes)


def running(number: int, *, claimed_at: datetime = START, hours: float = 2.0, **changes: Any) -> Job:
    """In training since two minutes after its claim."""
    job = transitions.claim(queued(number, hours=hours), claimed_at)
    job = transitions.enter_stage(job, Stage.TRAINING, claimed_at + 2 * MINUTE)
    return replace(job, **{"status": JobStatus.RUNNING, **changes})


def training(job: Job, *, step: int, seconds_per_step: float | None) -> Progress:
    """A progress row at this step of its thousand, at this pace."""
    pace = () if seconds_per_step is None else ((0.0, step - 10), (10 * seconds_per_step, step))
    return Progress(
        job.id,
        step=step,
        plan={"total_steps": 1000},
        pace=pace,
        stages={"training": StageRecord("active", None, 0.0, START)},
    )
