"""The last word on a run: final status, cost, freed slot, books, and telling the people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain import end_reasons, pausing
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import AttemptStatus, finish, total_usd
from chalicelib.domain.closing import closing_seconds
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.job import ACTIVE, Job, JobStatus
from chalicelib.domain.progress import Progress
from chalicelib.domain.queue import release
from chalicelib.domain.termination import Termination
from chalicelib.domain.watch import LOW_GPU
from chalicelib.ports import (
    AttemptStore,
    BudgetStore,
    CostStore,
    Files,
    JobStore,
    ProgressStore,
    TerminationStore,
)
from chalicelib.use_cases.again import again, change_job, change_progress, the_job
from chalicelib.use_cases.post_costs import post_costs
from chalicelib.use_cases.release_budget import release_budget
from chalicelib.use_cases.say import say
from chalicelib.use_cases.tidy_checkpoints import tidy_checkpoints

MOST_CAPACITY_MISSES = 60
_NEWS: Mapping[JobStatus, tuple[str, ...]] = {
    JobStatus.COMPLETED: ("job_completed", "artifact_ready"),
    JobStatus.FAILED: ("job_failed",),
    JobStatus.CANCELLED: ("job_cancelled",),
    JobStatus.PAUSED: ("job_paused",),
}
# The provider's account does not pay or its key does not work: nothing the job could do anything about.
_ACCOUNT = frozenset({"ProviderBalanceTooLow", "ProviderKeyRefused"})
# While the provider does not answer, nothing can be rented either: the queue is the place to wait for all of it.
_NOTHING_TO_RENT = _ACCOUNT | {
    "NoCapacity",
    "ProviderUnavailable",
    "ProviderThrottled",
    "ProviderReplyLost",
    "ServiceUnavailable",
}
# A pausing job that runs into its cap is paused: it can go on with a higher one.
_PAUSES = _NOTHING_TO_RENT | {"PauseRequested", "HardCapReached"}


@dataclass(frozen=True, slots=True)
class Books:
    """The ports this use case works with. tell(kind, job): notifications of that kind to the job's creator."""

    jobs: JobStore
    progress: ProgressStore
    attempts: AttemptStore
    terminations: TerminationStore
    costs: CostStore
    files: Files
    tell: Callable[[str, Job], None]
    budgets: BudgetStore


def settle_job(
    job_id: str, run: int, *, books: Books, timings: Mapping[str, float], now: datetime
) -> dict[str, Any]:
    """{failed, error, cause, status}. Settling twice settles once; an older run settles nothing."""
    job = the_job(books.jobs, job_id)
    if job.run != run:
        return {
            "failed": False,
            "error": "",
            "cause": "another run has taken over",
            "status": job.status.value,
        }
    before_status = job.status
    decided = False
    if job.status in ACTIVE:
        job, decided = again(lambda: _settle(job_id, run, books, timings, now))
    post_costs(job, books.attempts.of_job(job.id), costs=books.costs, now=now)
    job = _correct_cost(job, books, now)
    if job.is_at_rest:
        release_budget(job, budgets=books.budgets, now=now)
    _tidy(job, books)
    if decided and job.status is not before_status:
        _log(job, before_status, books, now)
    # Told again on every repetition: a settlement that died after its write would leave the person waiting for ever,
    # and telling twice tells once.
    for kind in _NEWS.get(job.status, ()):
        books.tell(kind, job)
    # Last: a row that is still open is how the sweeper knows that something of this is missing.
    _close_row(job, books)
    failed = job.status is JobStatus.FAILED
    error = (
        job.ending.error
        if job.ending and job.ending.error
        else (job.end_reason.value if job.end_reason else "")
    )
    return {
        "failed": failed,
        "error": error or "Failed",
        "cause": job.end_sentence,
        "status": job.status.value,
    }


def _settle(
    job_id: str, run: int, books: Books, timings: Mapping[str, float], now: datetime
) -> tuple[Job, bool]:
    """The job as it is now, and whether it was this call that made it so."""
    job = the_job(books.jobs, job_id)
    if job.run != run or job.status not in ACTIVE:
        return job, False
    attempts = books.attempts.of_job(job_id)
    open_attempts = [attempt for attempt in attempts if attempt.status is not AttemptStatus.ENDED]
    for attempt in open_attempts:
        books.terminations.add(
            Termination(attempt.pod_name, attempt.pod_id or "", job_id, now, "open at settlement")
        )
    row = books.progress.get(job_id) or Progress(job_id)
    settled = _outcome(job, row, attempts, timings, now)
    if settled.status is JobStatus.QUEUED:
        # Its next run rents anew: what this one may have left is a stray from here on.
        for attempt in open_attempts:
            books.attempts.save(finish(attempt, "handed_over", now), expected=attempt)
        open_attempts = []
    settled = replace(settled, cleanup_pending=bool(open_attempts))
    if settled.status is JobStatus.CANCELLING:
        return books.jobs.save(settled, expected=job), True
    slots = books.jobs.slots()
    saved, _ = books.jobs.save_with_slots(
        settled, expected=job, slots=release(slots, job_id), expected_slots=slots
    )
    return saved, True


def _outcome(job: Job, row: Progress, attempts: Any, timings: Mapping[str, float], now: datetime) -> Job:
    """What the ending means. A cancelled job whose pod is still billed stays cancelling."""
    # A run that comes here with no ending written did not end well, whatever stopped it.
    error = job.ending.error if job.ending else "NoEnding"
    spent = total_usd(attempts, now)
    if error == "" and job.model_id is not None:
        early = bool(row.artifacts and row.artifacts.get("summary", {}).get("ended_by") == "finish")
        reason = EndReason.COMPLETED
        if early:
            reason = EndReason.LOW_GPU if row.finish_reason == LOW_GPU else EndReason.SPEND_CAP
        # A merge gives way to the cap, so its time says nothing about what must be kept back.
        closing = None if job.configuration.export_merged else closing_seconds(row)
        return replace(transitions.complete(job, job.model_id, reason, spent, now), closing_seconds=closing)
    if job.status is JobStatus.PAUSING and error in _PAUSES:
        return replace(pausing.settle(job, now), cost_usd=spent)
    if error in _NOTHING_TO_RENT and job.status in {JobStatus.PROVISIONING, JobStatus.RECOVERING}:
        return replace(_requeue(job, error, spent, timings, now), cost_usd=spent)
    if job.status is JobStatus.CANCELLING:
        error = "JobCancelled"
        if any(attempt.status is not AttemptStatus.ENDED for attempt in attempts):
            return replace(job, cost_usd=spent, changed_at=now)
    trainer = row.trainer_error or {}
    # A run that ended well without a model did not end well.
    reason = (
        EndReason.ARTIFACTS_INCOMPLETE
        if error == ""
        else end_reasons.of_error(error, trainer.get("end_reason"))
    )
    detail = _detail(job, reason, trainer)
    return transitions.end(job, reason, detail, spent, now)


def _detail(job: Job, reason: EndReason, trainer: Mapping[str, Any]) -> str:
    if reason is EndReason.USER_CANCELLED:
        return ""
    if trainer.get("message"):
        return str(trainer["message"])[:500]
    return job.ending.cause[:500] if job.ending and reason is not EndReason.INTERNAL_ERROR else ""


def _requeue(job: Job, error: str, spent: Decimal, timings: Mapping[str, float], now: datetime) -> Job:
    if error in _ACCOUNT:
        wait_seconds = timings["no_capacity_backoff_seconds"]
        return transitions.requeue(job, now + timedelta(seconds=wait_seconds), now, held_by="account")
    if job.capacity_misses >= MOST_CAPACITY_MISSES:
        return transitions.end(job, EndReason.NO_CAPACITY, "", spent, now)
    wait_seconds = min(600.0, timings["no_capacity_backoff_seconds"] * 2 ** min(job.capacity_misses, 4))
    return transitions.requeue(job, now + timedelta(seconds=wait_seconds), now)


def _correct_cost(job: Job, books: Books, now: datetime) -> Job:
    """An ended job's cost follows its attempts: one that was still billed at settlement has cost more since."""
    spent = total_usd(books.attempts.of_job(job.id), now)
    if job.status in ACTIVE or job.cleanup_pending or (job.cost_usd or Decimal(0)) == spent:
        return job
    return change_job(books.jobs, job.id, lambda before: replace(before, cost_usd=spent, changed_at=now))


def _close_row(job: Job, books: Books) -> None:
    """No fence: a pod that still talks gets 409 and stops. No intent: it was about this run, and would end the next one
    at its first wait."""

    def close(row: Progress) -> Progress:
        if row.run > job.run or (row.token, row.fence, row.intent) == (None, "", None):
            return row
        return replace(row, token=None, waiting_for=None, fence="", intent=None, finish_reason=None)

    change_progress(books.progress, job.id, close)


def _tidy(job: Job, books: Books) -> None:
    """No pod is left that could store another checkpoint. Storage that does not answer costs the job nothing."""
    if job.is_at_rest:
        with suppress(StorageUnavailable):
            tidy_checkpoints(job, books.files)


def _log(job: Job, before: JobStatus, books: Books, now: datetime) -> None:
    say(
        books.progress,
        job.id,
        now,
        "error" if job.status is JobStatus.FAILED else "status",
        f"{before.value} → {job.status.value}" + (f": {job.end_sentence}" if job.end_sentence else ""),
        {"old_status": before.value, "new_status": job.status.value, "end_reason": job.end_reason},
    )
