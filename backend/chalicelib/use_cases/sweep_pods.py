"""The net under the whole lifecycle, once a minute: the provider's own list is the truth about what is billed.

If either read fails nothing is done: a list that is not known to be whole proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.errors import AppError
from chalicelib.domain.gpu import Pod, PodName
from chalicelib.domain.job import ACTIVE, Job, JobStatus
from chalicelib.domain.progress import Intent, stronger
from chalicelib.domain.termination import Termination
from chalicelib.ports import (
    AttemptStore,
    CostStore,
    GpuCloud,
    JobStore,
    Notifier,
    ProgressStore,
    TerminationStore,
    Workflow,
)
from chalicelib.use_cases.again import change_job, change_progress
from chalicelib.use_cases.book_leak import book_gone, book_leak
from chalicelib.use_cases.check_spending import Warn, check_spending
from chalicelib.use_cases.evaluate_wait import evaluate_wait
from chalicelib.use_cases.post_costs import post_costs

Result = TypeVar("Result")

# A claim or a signal younger than this may still be on its way.
_GRACE = timedelta(seconds=45)
# How long a settlement that died after its last word is made good.
_SETTLED_AGAIN_FOR = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Broom:
    """The ports the sweeper works with. settle(job_id, run): the settlement of a run whose pods are gone at last."""

    deployment: str
    jobs: JobStore
    progress: ProgressStore
    attempts: AttemptStore
    terminations: TerminationStore
    cloud: GpuCloud
    workflow: Workflow
    notifier: Notifier
    settle: Callable[[str, int], object]
    timings: Mapping[str, float]
    now: datetime
    costs: CostStore
    warn: Warn


@dataclass(frozen=True, slots=True)
class Swept:
    leaked_pods: tuple[str, ...]
    restarted_runs: tuple[str, ...]
    terminations_open: int


def sweep_pods(broom: Broom) -> Swept:
    pods = broom.cloud.list(f"{broom.deployment}-job_")
    active = [job for status in sorted(ACTIVE) for job in broom.jobs.by_status(status)]
    # By pod, not by name: a stray may bear the name of the pod that is at work.
    strays = [pod for pod in pods if _is_stray(pod, broom)]
    leaked = [pod for pod in strays if pod.is_billed]
    by_name = {pod.name: pod for pod in pods if pod not in leaked}
    for pod in strays:
        # Money first, as long as the pod is known; but books that cannot be written keep no pod alive.
        _calmly(_book, pod, broom)
    for pod in leaked:
        _calmly(_remove_stray, pod, broom)
    for job in active:
        _calmly(_resample, job, by_name, broom)
        _calmly(_post, job, broom)
        _calmly(_signal_again, job, broom)
    for ended in broom.jobs.changed_since(broom.now - _SETTLED_AGAIN_FOR):
        if isinstance(ended, Job):
            _calmly(_settle_again, ended, broom)
    still_open = [_calmly(_work_termination, each, pods, broom) for each in broom.terminations.open()]
    restarted = tuple(job.id for job in active if _calmly(_restart_if_dead, job, broom))
    return Swept(tuple(pod.name for pod in leaked), restarted, sum(each is not False for each in still_open))


def _calmly(work: Callable[..., Result], *arguments: Any) -> Result | None:
    """None when it failed: one pod that cannot be deleted, or one lost race, must not keep the others waiting. What
    failed is found again in a minute."""
    try:
        return work(*arguments)
    except AppError:
        return None


def _is_stray(pod: Pod, broom: Broom) -> bool:
    """Unknown, superseded or finished. Judged by the job's own row, read now, not by an index."""
    name = PodName.parse(pod.name)
    if name is None or name.deployment != broom.deployment:
        return False
    job = broom.jobs.get(name.job_id)
    if job is None or job.status not in ACTIVE or job.attempt != name.attempt:
        return True
    attempt = broom.attempts.get(job.id, name.attempt)
    if attempt is None or attempt.status is AttemptStatus.ENDED or attempt.fence != name.fence:
        return True
    return attempt.pod_id is not None and attempt.pod_id != pod.id


def _book(pod: Pod, broom: Broom) -> None:
    book_leak(pod, jobs=broom.jobs, attempts=broom.attempts, costs=broom.costs, now=broom.now)


def _post(job: Job, broom: Broom) -> None:
    post_costs(job, broom.attempts.of_job(job.id), costs=broom.costs, now=broom.now)


def _remove_stray(pod: Pod, broom: Broom) -> None:
    """The record first, and once: its age is what raises the alert when deleting does not help."""
    name = PodName.parse(pod.name)
    if pod.name not in {termination.pod_name for termination in broom.terminations.open()}:
        broom.terminations.add(
            Termination(pod.name, pod.id, name.job_id if name else None, broom.now, "stray")
        )
    broom.cloud.delete(pod.id)


def _resample(job: Job, by_name: Mapping[str, Pod], broom: Broom) -> None:
    """The pod's own price now, and what the spend cap says about it."""
    attempt = broom.attempts.get(job.id, job.attempt)
    pod = by_name.get(attempt.pod_name) if attempt else None
    if attempt is None or pod is None or not pod.is_billed or attempt.status is not AttemptStatus.LIVE:
        return
    sampled = attempts_of.sample_rate(attempt, pod, broom.now)
    if sampled is not attempt:
        sampled = broom.attempts.save(sampled, expected=attempt)
    _check_cap(job, sampled, broom)


def _check_cap(job: Job, attempt: Attempt, broom: Broom) -> None:
    row = check_spending(job, attempt, progress=broom.progress, warn=broom.warn, now=broom.now)
    if row is not None:
        evaluate_wait(row, workflow=broom.workflow, now=broom.now, heartbeat=False)


def _signal_again(job: Job, broom: Broom) -> None:
    """An intent that is in the job and never reached the wait."""
    intents = {JobStatus.CANCELLING: Intent.CANCEL, JobStatus.PAUSING: Intent.PAUSE}
    intent = intents.get(job.status)
    if intent is None or broom.now - job.changed_at < _GRACE:
        return
    row = change_progress(
        broom.progress,
        job.id,
        lambda row: row if row.intent is intent else replace(row, intent=stronger(row.intent, intent)),
    )
    evaluate_wait(row, workflow=broom.workflow, now=broom.now, heartbeat=False)


def _work_termination(termination: Termination, pods: Sequence[Pod], broom: Broom) -> bool:
    """Deletes again what is still billed; closes what is gone. True when it stays open."""
    meant = [pod for pod in pods if pod.name == termination.pod_name and termination.pod_id in {"", pod.id}]
    billed = [pod.id for pod in meant if pod.is_billed]
    if billed:
        _alert_once(termination, broom)
        for pod_id in billed:
            broom.cloud.delete(pod_id)
        return True
    _close_attempt(termination, broom)
    book_gone(
        termination.pod_name,
        termination.pod_id,
        jobs=broom.jobs,
        attempts=broom.attempts,
        costs=broom.costs,
        now=broom.now,
    )
    broom.terminations.close(termination)
    return False


def _alert_once(termination: Termination, broom: Broom) -> None:
    overdue = timedelta(seconds=broom.timings["termination_alert_seconds"])
    if termination.alerted or broom.now - termination.since < overdue:
        return
    broom.notifier.alert_operations(
        subject=f"GPU still billed: {termination.pod_name}",
        text=f"Deletion was asked {broom.now - termination.since} ago ({termination.reason}). See docs/operations.md.",
    )
    broom.terminations.add(replace(termination, alerted=True))


def _close_attempt(termination: Termination, broom: Broom) -> None:
    name = PodName.parse(termination.pod_name)
    if name is None:
        return
    attempt = broom.attempts.get(name.job_id, name.attempt)
    same_pod = attempt is not None and attempt.pod_id in {None, termination.pod_id}
    if attempt is not None and attempt.pod_name == termination.pod_name and same_pod:
        ended = attempts_of.finish(attempt, "terminated", broom.now)
        if ended is not attempt:
            broom.attempts.save(ended, expected=attempt)
    others = broom.attempts.of_job(name.job_id)
    job = broom.jobs.get(name.job_id)
    if job is None or any(each.status is not AttemptStatus.ENDED for each in others):
        return
    if job.cleanup_pending:
        job = change_job(
            broom.jobs,
            job.id,
            lambda before: replace(before, cleanup_pending=False, changed_at=broom.now),
        )
    elif job.status in ACTIVE:
        return
    # Again for a job that has ended: a settlement that failed after the mark was gone would not be repeated otherwise.
    broom.settle(job.id, job.run)


def _may_be_on_its_way(job: Job, broom: Broom) -> bool:
    """A young claim whose run has not written anything. A run that has is judged by its execution alone: its
    checkpoints change the job every few seconds, so the time of the last change says nothing about it."""
    row = broom.progress.get(job.id)
    has_begun = row is not None and row.run == job.run
    return not has_begun and broom.now - job.changed_at < _GRACE


def _settle_again(job: Job, broom: Broom) -> None:
    """A settlement that wrote the end and then died, again and again: nobody was told, and the row is still open."""
    if not job.is_at_rest or broom.now - job.changed_at < _GRACE:
        return
    row = broom.progress.get(job.id)
    if row is not None and row.run == job.run and row.fence != "":
        broom.settle(job.id, job.run)


def _restart_if_dead(job: Job, broom: Broom) -> bool:
    """A claim without an execution, or an execution that died: a new run takes over the live attempt."""
    if job.cleanup_pending or _may_be_on_its_way(job, broom):
        return False
    if broom.workflow.is_running(job.id, job.run):
        return False
    fresh = broom.jobs.get(job.id)
    if fresh is None or fresh.run != job.run or fresh.status not in ACTIVE:
        return False
    restarted = broom.jobs.save(replace(fresh, run=fresh.run + 1, changed_at=broom.now), expected=fresh)
    broom.workflow.start(restarted.id, restarted.run, broom.timings)
    return True
