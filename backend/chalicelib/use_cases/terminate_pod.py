"""Ends every pod of a job, and looks again. The only use case besides the sweeper that ends pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import AttemptStatus
from chalicelib.domain.errors import PodStillListed
from chalicelib.domain.gpu import Pod
from chalicelib.domain.progress import Progress
from chalicelib.domain.termination import Termination
from chalicelib.ports import AttemptStore, GpuCloud, JobStore, ProgressStore, TerminationStore
from chalicelib.use_cases.again import change_job, change_progress, the_job


def terminate_pod(
    job_id: str,
    run: int,
    *,
    recovering: bool,
    failure: Mapping[str, Any],
    deployment: str,
    jobs: JobStore,
    progress: ProgressStore,
    attempts: AttemptStore,
    terminations: TerminationStore,
    cloud: GpuCloud,
    timings: Mapping[str, float],
    now: datetime,
) -> dict[str, Any]:
    """{gone, ended_well}. The ending is written first, so that a restarted run only terminates and settles.

    Raises PodStillListed until `termination_handover_seconds` have passed; then what is left goes to the sweeper.
    A run that was replaced by a newer one touches nothing.
    """
    job = the_job(jobs, job_id)
    if job.run != run:
        return {"gone": True, "ended_well": False}
    if not recovering:
        error, cause = str(failure.get("Error", "")), str(failure.get("Cause", ""))[:2000]
        job = change_job(jobs, job_id, lambda before: transitions.begin_ending(before, error, cause, now))
    left = _delete_all(f"{deployment}-{job_id}-", cloud)
    _close_attempts(job_id, left, attempts, now)
    if left:
        row = change_progress(progress, job_id, lambda row: _since(row, now))
        waited = (now - (row.terminate_since or now)).total_seconds()
        if waited < timings["termination_handover_seconds"]:
            raise PodStillListed(f"{len(left)} pods are still billed.")
        for pod in left:
            terminations.add(Termination(pod.name, pod.id, job_id, now, "not gone in time"))
    return {"gone": not left, "ended_well": job.ending is not None and job.ending.error == ""}


def _since(row: Progress, now: datetime) -> Progress:
    return row if row.terminate_since else replace(row, terminate_since=now)


def _delete_all(prefix: str, cloud: GpuCloud) -> list[Pod]:
    """Every pod of the job, whatever its attempt: a lost reply may have left one that no record names."""
    listed = cloud.list(prefix)
    for pod in listed:
        cloud.delete(pod.id)
    if not listed:
        return []
    return [pod for pod in cloud.list(prefix) if pod.is_billed]


def _close_attempts(job_id: str, left: list[Pod], attempts: AttemptStore, now: datetime) -> None:
    billed = {pod.name for pod in left}
    for attempt in attempts.of_job(job_id):
        if attempt.status is not AttemptStatus.ENDED and attempt.pod_name not in billed:
            attempts.save(attempts_of.finish(attempt, "terminated", now), expected=attempt)
