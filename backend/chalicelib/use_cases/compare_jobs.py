"""Two to four jobs, read at once for one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.comparison import Outcome, outcome
from chalicelib.domain.errors import NotFound
from chalicelib.domain.event_sequence import Spell, spells
from chalicelib.domain.ids import is_id
from chalicelib.domain.job import Job
from chalicelib.domain.metrics import Row
from chalicelib.domain.model import Model
from chalicelib.domain.progress import Progress
from chalicelib.domain.rollups import Curve
from chalicelib.ports import AttemptStore, JobStore, ModelStore, ProgressStore
from chalicelib.use_cases.read_curve import read_curve


@dataclass(frozen=True, slots=True)
class Compared:
    """rows: the points of the curves in step order, thinned where they are many; total_points: how many there are."""

    job: Job
    row: Progress
    attempts: Sequence[Attempt]
    model: Model | None
    rows: Sequence[Row]
    total_points: int
    outcome: Outcome


def find_all(ids: Sequence[str], *, jobs: JobStore) -> list[Job]:
    """NotFound names the first id that leads to no job."""
    return [_find(job_id, jobs) for job_id in ids]


def _find(job_id: str, jobs: JobStore) -> Job:
    job = jobs.get(job_id) if is_id("job", job_id) else None
    if job is None:
        raise NotFound(f"There is no job {job_id[:60]}. It may have been deleted.", {"id": job_id[:60]})
    return job


def compare_jobs(
    found: Sequence[Job],
    rows: Sequence[Progress],
    *,
    attempts: AttemptStore,
    progress: ProgressStore,
    models: ModelStore,
    max_points: int,
) -> list[Compared]:
    """rows: the progress rows of the jobs in their order, which the caller has read for its cursor."""
    return [
        _compared(
            job,
            row,
            attempts.of_job(job.id),
            read_curve(job.id, row.revision, max_points, progress=progress),
            models,
        )
        for job, row in zip(found, rows, strict=True)
    ]


def _compared(
    job: Job, row: Progress, attempts: Sequence[Attempt], curve: Curve, models: ModelStore
) -> Compared:
    model = models.get(job.model_id) if job.model_id else None
    return Compared(job, row, attempts, model, curve.rows, curve.points, outcome(job, curve.rows))


def compare_sequences(
    found: Sequence[Job], *, progress: ProgressStore, now: datetime
) -> list[tuple[Spell, ...]]:
    """What each job went through, from its event log."""
    return [spells(progress.events(job.id), now) for job in found]
