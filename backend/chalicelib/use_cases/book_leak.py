"""Writes into the books what a pod cost that no attempt accounts for: one line a pod, corrected by writing it again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.domain.cost import LEAKED, CostRecord, leak_key, month_of
from chalicelib.domain.gpu import Pod, PodName
from chalicelib.domain.leak import leak
from chalicelib.ports import AttemptStore, CostStore, JobStore
from chalicelib.use_cases.post_costs import whose

_NOBODY: dict[str, Any] = {"person_id": ""}


def book_leak(
    pod: Pod, *, jobs: JobStore, attempts: AttemptStore, costs: CostStore, now: datetime
) -> CostRecord | None:
    """The line as it is now; None when the pod is no leak. Call it before the pod is deleted.

    The pod's name says whose it is, even when the job is gone.
    """
    name = PodName.parse(pod.name)
    if name is None:
        return None
    own = next((each for each in attempts.of_job(name.job_id) if each.pod_id == pod.id), None)
    key = leak_key(pod.id)
    known = next((line for line in costs.of_job(name.job_id) if line.key == key), None)
    found = leak(pod, own, known, now)
    # A line that was written later than now is by a sweep that overtook this one. A pod that is no longer billed adds
    # nothing to its line; without one it gets an empty line, so that its bill is asked for.
    if found is None or (known is not None and (known.at >= now or not pod.is_billed)):
        return known
    job = jobs.get(name.job_id)
    line = CostRecord(
        job_id=name.job_id,
        key=key,
        type=LEAKED,
        amount_usd=found.amount_usd,
        gpu_name=own.gpu_name if own else (pod.gpu_id or ""),
        gpu_count=pod.gpu_count,
        duration_seconds=found.duration_seconds,
        at=now,
        month=month_of(now),
        attempt=own.number if own else name.attempt,
        provisional=True,
        pod_id=pod.id,
        **(_NOBODY if job is None else whose(job)),
    )
    costs.put(line)
    return line
