"""Rows and jobs for the tests of the list: shaped as the contract says, values from a seed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.domain.gpu import Tier
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.person import Person

from tests.builders import a_job
from tests.fakes import START

_EXAMPLE = Path(__file__).parents[3] / "contracts" / "examples" / "job_list.json"
NAMES = ("Élan vital", "Harbour run", "night-shift retry", 'the "quoted" one', "Zürich OR bust", "plain")
NOTES = ("", "shorter is better", "**Hypothesis**: a NEAR miss", "column:value (x) ^y *", "über alles")
TAGS = ("experiment", "prod", "q3 2026", "R&D", "don't")
PEOPLE = tuple(
    Person(f"usr_{n:012d}", name, f"{n}@example.com") for n, name in enumerate(("Dana", "miro", "Ana"))
)
PRESETS = ("conservative", "balanced", "aggressive", "custom")


def row_of(job: Job) -> dict[str, Any]:
    """As the list shows a job. Only what the index itself reads differs from job to job."""
    row: dict[str, Any] = json.loads(_EXAMPLE.read_text("utf-8"))["data"]["jobs"][0]
    ended = job.ended_at and job.started_at and (job.ended_at - job.started_at).total_seconds()
    return {
        **row,
        "id": job.id,
        "name": job.name,
        "description": job.description,
        "tags": list(job.tags),
        "status": job.status.value,
        "duration_seconds": ended,
        "cost": {**row["cost"], "spent_usd": None if job.cost_usd is None else f"{job.cost_usd:.2f}"},
    }


def many(count: int, seed: int = 7) -> list[Job]:
    chance = random.Random(seed)
    return [_one(number, chance) for number in range(1, count + 1)]


def _one(number: int, chance: random.Random) -> Job:
    at = START - timedelta(minutes=chance.randrange(60 * 24 * 90))
    status = chance.choice(list(JobStatus))
    started = at + timedelta(minutes=chance.randrange(90)) if chance.random() < 0.7 else None
    is_final = status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
    job = a_job(number, at=at)
    gpu = replace(job.configuration.gpu, tier=chance.choice(list(Tier)))
    return replace(
        job,
        version=1,
        name=f"{chance.choice(NAMES)} {number}",
        description=chance.choice(NOTES),
        notes=chance.choice(NOTES),
        tags=tuple(chance.sample(TAGS, chance.randrange(3))),
        status=status,
        created_by=chance.choice(PEOPLE),
        changed_at=at + timedelta(minutes=chance.randrange(200)),
        started_at=started,
        ended_at=started + timedelta(seconds=chance.randrange(90_000)) if started and is_final else None,
        cost_usd=chance.choice(
            [None, Decimal("0"), Decimal("49.99"), Decimal("50"), Decimal("100"), Decimal("200")]
        )
        if chance.random() < 0.5
        else Decimal(chance.randrange(40_000)) / 100,
        configuration=replace(job.configuration, gpu=gpu, preset_id=chance.choice(PRESETS)),
    )
