"""Writes into the books what a pod cost that no attempt accounts for: one line a pod, corrected by writing it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
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
    line = replace(
        _empty_line(name, pod.id, jobs, now),
        amount_usd=found.amount_usd,
        gpu_name=own.gpu_name if own else (pod.gpu_id or ""),
        gpu_count=pod.gpu_count,
        duration_seconds=found.duration_seconds,
        attempt=own.number if own else name.attempt,
    )
    costs.put(line)
    return line


def book_gone(
    pod_name: str, pod_id: str, *, jobs: JobStore, attempts: AttemptStore, costs: CostStore, now: datetime
) -> None:
    """For a pod that is gone: an empty line, by which its bill is asked for, unless the books know the pod. They do not
    when they could not be written while it was still there."""
    name = PodName.parse(pod_name)
    if name is None or not pod_id:
        return
    if any(each.pod_id == pod_id for each in attempts.of_job(name.job_id)):
        return
    if all(line.pod_id != pod_id for line in costs.of_job(name.job_id)):
        costs.put(_empty_line(name, pod_id, jobs, now))


def _empty_line(name: PodName, pod_id: str, jobs: JobStore, now: datetime) -> CostRecord:
    job = jobs.get(name.job_id)
    return CostRecord(
        job_id=name.job_id,
        key=leak_key(pod_id),
        type=LEAKED,
        amount_usd=Decimal(0),
        gpu_name="",
        gpu_count=1,
        duration_seconds=0,
        at=now,
        month=month_of(now),
        attempt=name.attempt,
        provisional=True,
        pod_id=pod_id,
        **(_NOBODY if job is None else whose(job)),
    )
