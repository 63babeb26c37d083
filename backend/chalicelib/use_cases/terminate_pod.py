"""Ends every pod of a job, and looks again. The only use case besides the sweeper that ends pods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.errors import AppError, PodStillListed, ProviderError, ProviderUnavailable
from chalicelib.domain.gpu import Pod
from chalicelib.domain.progress import Progress
from chalicelib.domain.termination import Termination
from chalicelib.ports import AttemptStore, CostStore, GpuCloud, JobStore, ProgressStore, TerminationStore
from chalicelib.use_cases.again import change_job, change_progress, the_job
from chalicelib.use_cases.book_leak import book_leak

_LONGEST_CAUSE = 2000


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
    costs: CostStore,
    cloud: GpuCloud,
    timings: Mapping[str, float],
    now: datetime,
) -> dict[str, Any]:
    """{gone, ended_well}. The ending is written first, so that a restarted run only terminates and settles.

    Raises PodStillListed until `termination_handover_seconds` have passed; then what is left goes to the sweeper. A
    provider that does not answer counts as "still listed": its outage must not cost a finished run its result.
    A run that was replaced by a newer one touches nothing.
    """
    job = the_job(jobs, job_id)
    if job.run != run:
        return {"gone": True, "ended_well": False}
    if not recovering:
        error, cause = str(failure.get("Error", "")), _said(str(failure.get("Cause", "")))
        job = change_job(jobs, job_id, lambda before: transitions.begin_ending(before, error, cause, now))
    prefix = f"{deployment}-{job_id}-"
    # The list first: what it shows was intended before, so that its attempt is among those that are read after it.
    listed = _listed(prefix, cloud)
    known = attempts.of_job(job_id)
    open_attempts = [each for each in known if each.status is not AttemptStatus.ENDED]
    if recovering and open_attempts:
        # The lost pod's attempt is closed; an open one is its successor's, and this call comes too late.
        return {"gone": True, "ended_well": False}

    for pod in listed or ():
        open_attempts = _account(
            pod,
            job_id,
            open_attempts,
            jobs=jobs,
            attempts=attempts,
            terminations=terminations,
            costs=costs,
            now=now,
        )
    try:
        left = {pod.name: pod.id for pod in _delete_all(prefix, listed, open_attempts, cloud)}
        _close_attempts(open_attempts, left, attempts, now)
    except ProviderError:
        # A recovery has closed the attempt of the lost pod already; silent is not gone.
        suspects = open_attempts or [each for each in known if recovering and each.number == job.attempt]
        left = {
            each.pod_name: each.pod_id or "" for each in suspects if each.pod_id is not None or not recovering
        }
    if left:
        row = change_progress(progress, job_id, lambda row: _since(row, now))
        waited = (now - (row.terminate_since or now)).total_seconds()
        if waited < timings["termination_handover_seconds"]:
            raise PodStillListed(f"{len(left)} pods are still billed.")
        for name, pod_id in left.items():
            terminations.add(Termination(name, pod_id, job_id, now, "not gone in time"))
    return {"gone": not left, "ended_well": job.ending is not None and job.ending.error == ""}


def _account(
    pod: Pod,
    job_id: str,
    open_attempts: list[Attempt],
    *,
    jobs: JobStore,
    attempts: AttemptStore,
    terminations: TerminationStore,
    costs: CostStore,
    now: datetime,
) -> list[Attempt]:
    """Before it is gone: a pod whose create reply was lost belongs to its attempt, any other one is a leak. Books that
    cannot be written now keep no pod alive; the sweeper sees to them once it is gone."""
    try:
        open_attempts = [_moved_in(each, pod, attempts) for each in open_attempts]
        book_leak(pod, jobs=jobs, attempts=attempts, costs=costs, now=now)
    except AppError:
        with suppress(AppError):
            terminations.add(Termination(pod.name, pod.id, job_id, now, "not in the books"))
    return open_attempts


def _said(cause: str) -> str:
    """What went wrong, in its own words. The cause of a step that failed is the function's whole error as JSON, with a
    stack trace; that of a wait is the plain text we sent."""
    try:
        told = json.loads(cause)
    except ValueError:
        told = None
    if isinstance(told, dict) and "errorMessage" in told:
        cause = str(told["errorMessage"])
    return cause[:_LONGEST_CAUSE]


def _since(row: Progress, now: datetime) -> Progress:
    return row if row.terminate_since else replace(row, terminate_since=now)


def _listed(prefix: str, cloud: GpuCloud) -> Sequence[Pod] | None:
    """None when the provider does not answer."""
    try:
        return cloud.list(prefix)
    except ProviderError:
        return None


def _moved_in(attempt: Attempt, pod: Pod, attempts: AttemptStore) -> Attempt:
    if attempt.pod_id is not None or attempt.pod_name != pod.name:
        return attempt
    return attempts.save(attempts_of.adopt(attempt, pod), expected=attempt)


def _delete_all(
    prefix: str, listed: Sequence[Pod] | None, open_attempts: Sequence[Attempt], cloud: GpuCloud
) -> list[Pod]:
    """Every pod of the job, whatever its attempt: a lost reply may have left one that no record names, and a new one
    that a record names may not be listed yet."""
    if listed is None:
        raise ProviderUnavailable("The provider does not say which pods there are.")
    known = {each.pod_id for each in open_attempts if each.pod_id is not None}
    for pod_id in sorted({pod.id for pod in listed} | known):
        cloud.delete(pod_id)
    return [pod for pod in cloud.list(prefix) if pod.is_billed]


def _close_attempts(
    open_attempts: Sequence[Attempt], left: Mapping[str, str], attempts: AttemptStore, now: datetime
) -> None:
    for attempt in open_attempts:
        if attempt.pod_name not in left:
            attempts.save(attempts_of.finish(attempt, "terminated", now), expected=attempt)
