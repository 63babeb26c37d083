"""How fast a run trains, and what of it is left."""

from __future__ import annotations

from chalicelib.domain.job import ACTIVE, Job
from chalicelib.domain.progress import Progress, StageRecord

# After the last step: the export and its upload.
FINALIZATION_SECONDS = 60


def total_steps(job: Job, row: Progress) -> int:
    """As the trainer plans it; before it has said so, as it was estimated. 0: unknown."""
    planned = (row.plan or {}).get("total_steps")
    return int(planned or (job.estimate.total_steps if job.estimate else 0))


def steps_per_hour(row: Progress) -> float | None:
    """From the recent pace only: set-up never slows it down, a slow-down shows at once."""
    if len(row.pace) < 2:
        return None
    (first_at, first), (last_at, last) = row.pace[0], row.pace[-1]
    if last_at <= first_at or last <= first:
        return None
    return round((last - first) * 3600 / (last_at - first_at), 1)


def remaining_seconds(job: Job, row: Progress) -> int | None:
    """Steps left at the recent pace, and finalization; None while nothing is known of the pace."""
    hourly = steps_per_hour(row)
    trains = row.stages.get("training", StageRecord()).state == "active"
    if not hourly or job.status not in ACTIVE or not trains:
        return None
    return round(max(0, total_steps(job, row) - row.step) * 3600 / hourly) + FINALIZATION_SECONDS
