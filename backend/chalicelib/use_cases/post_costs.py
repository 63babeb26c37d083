"""The books of one job: a line for every attempt that had a pod, kept up to date while the pod is billed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.cost import TRAINING_COMPUTE, CostRecord, attempt_key, month_of
from chalicelib.domain.job import Job
from chalicelib.ports import CostStore

# How old the line of a pod that goes on may become.
LAG = timedelta(minutes=5)


def post_costs(job: Job, attempts: Sequence[Attempt], *, costs: CostStore, now: datetime) -> None:
    """Writes what differs from the books. Asked each minute; of a pod that goes on a line a few minutes old will do, for
    what the books do not show yet is still reserved (`domain/budget.py`)."""
    known = {line.key: line for line in costs.of_job(job.id)}
    for attempt in attempts:
        if attempt.pod_id is None:
            continue
        line = cost_record(job, attempt, now)
        before = known.get(line.key)
        if before != line and not (attempt.ended_at is None and _is_fresh(before, line)):
            costs.put(line)


def _is_fresh(before: CostRecord | None, line: CostRecord) -> bool:
    """Nothing but a little time and money has been added since."""
    if before is None or not timedelta(0) <= line.at - before.at < LAG:
        return False
    seconds = line.duration_seconds
    return replace(before, amount_usd=line.amount_usd, duration_seconds=seconds, at=line.at) == line


def cost_record(job: Job, attempt: Attempt, now: datetime) -> CostRecord:
    """The line of one attempt, provisional until the provider's bill is known. It counts in the month the pod ended."""
    at = attempt.ended_at or now
    return CostRecord(
        job_id=job.id,
        key=attempt_key(attempt.number),
        type=TRAINING_COMPUTE,
        amount_usd=attempt.cost_usd(now),
        gpu_name=attempt.gpu_name,
        gpu_count=attempt.gpu_count,
        duration_seconds=round(attempt.seconds(now)),
        at=at,
        month=month_of(at),
        attempt=attempt.number,
        provisional=attempt.billed_usd is None,
        pod_id=attempt.pod_id or "",
        **whose(job),
    )


def whose(job: Job) -> dict[str, Any]:
    """The words by which costs are added up; written again when a person changes them."""
    return {
        "person_id": job.created_by.id,
        "person_name": job.created_by.name,
        "job_name": job.name,
        "client_id": job.client_id,
        "project_id": job.project_id,
    }
