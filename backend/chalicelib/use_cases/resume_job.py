"""Puts a paused job back into the queue, on the GPU it had or another one, after the checks of a start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from chalicelib.domain import closing, pausing
from chalicelib.domain.attempt import total_usd
from chalicelib.domain.configure import configure
from chalicelib.domain.errors import NotAllowed, ValidationFailed, WrongStatus
from chalicelib.domain.estimate import Estimate
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.organisation import DOCUMENT, from_document
from chalicelib.ports import (
    AttemptStore,
    AuditLog,
    BudgetStore,
    CostStore,
    DatasetStore,
    Files,
    JobStore,
    ProgressStore,
    SettingsStore,
)
from chalicelib.use_cases.again import change_job, the_job
from chalicelib.use_cases.create_job import check_cap
from chalicelib.use_cases.edit_job import as_request
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.find_checkpoint import find_checkpoint
from chalicelib.use_cases.read_track_record import read_track_record
from chalicelib.use_cases.refresh_catalog import current_cards
from chalicelib.use_cases.reserve_budget import reserve_budget
from chalicelib.use_cases.say import say


@dataclass(frozen=True, slots=True)
class Wish:
    """What may change at a resume; None: as before. The number of GPUs stays: the batches depend on it."""

    gpu_type: str | None = None
    tier: str | None = None
    spend_cap_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Counter:
    """The ports this use case works with."""

    jobs: JobStore
    progress: ProgressStore
    attempts: AttemptStore
    datasets: DatasetStore
    documents: SettingsStore
    audit: AuditLog
    files: Files
    local_models: bool
    tell: Callable[[str, Job], object]
    budgets: BudgetStore
    costs: CostStore


def resume_job(job_id: str, wish: Wish, *, user: User, counter: Counter, now: datetime) -> Job:
    """The queued job. WrongStatus when it is not paused or its checkpoint is gone; ValidationFailed for a GPU that
    cannot be had or a cap that does not pay for going on; BudgetExceeded when what is left of it does not fit."""
    job = the_job(counter.jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may resume it.")
    check_cap(wish.spend_cap_usd)
    days = from_document(counter.documents.get(DOCUMENT)).pause_kept_days
    cap = wish.spend_cap_usd or job.spend_cap_usd
    pausing.resume(job, job.configuration.gpu, cap, user.as_person(), days, now)
    _check_checkpoints(job, counter.files)
    asked = as_request(job)
    asked = replace(asked, gpu_type=wish.gpu_type or asked.gpu_type, tier=wish.tier or asked.tier)
    gpu = configure(asked, current_cards(counter.documents, now), counter.local_models).configuration.gpu
    estimate = estimate_job(
        EstimateRequest(job.dataset.id, asked, job.created_by.id, job.id),
        datasets=counter.datasets,
        documents=counter.documents,
        jobs=counter.jobs,
        files=counter.files,
        now=now,
        local_models=counter.local_models,
    )
    _check_start(job, gpu.type, cap, estimate, counter, now)
    # What is left of the cap; taken back by the sweeper should the job not be queued after all.
    allowed = replace(job, spend_cap_usd=cap, estimate=estimate)
    reserve_budget(allowed, budgets=counter.budgets, costs=counter.costs, now=now)
    after = change_job(
        counter.jobs,
        job_id,
        lambda before: pausing.resume(before, gpu, cap, user.as_person(), days, now),
    )
    _record(job, after, user, counter, now)
    counter.tell("job_queued", after)
    return after


def _check_checkpoints(job: Job, files: Files) -> None:
    """Renting a GPU only to find nothing to go on from would be paid for."""
    if job.kept_checkpoints and find_checkpoint(job, files) is None:
        raise WrongStatus(
            "No checkpoint of this job is whole in storage any more. Start a new job.",
            {"status": job.status.value},
        )


def _check_start(
    job: Job, gpu_type: str, cap: Decimal | None, estimate: Estimate, counter: Counter, now: datetime
) -> None:
    if estimate.blockers:
        raise ValidationFailed({"resume": [blocker.message for blocker in estimate.blockers]})
    if cap is None:
        return
    spent = total_usd(counter.attempts.of_job(job.id), now)
    record = read_track_record(jobs=counter.jobs, documents=counter.documents, now=now)
    model_id = job.configuration.base_model_id
    least = spent + closing.least_usd(record, model_id, gpu_type, estimate.hourly_rate_usd)
    if cap < least:
        sentence = (
            f"${spent:.2f} is spent, and at ${estimate.hourly_rate_usd}/h the cap must be at least ${least:.2f} to go "
            "on: it pays start-up and saving."
        )
        raise ValidationFailed({"spend_cap_usd": [sentence]})


def _record(before: Job, after: Job, user: User, counter: Counter, now: datetime) -> None:
    step = before.checkpoint.step if before.checkpoint else None
    gpu = after.configuration.gpu
    facts = {
        "step": step,
        "gpu": gpu.name,
        "tier": gpu.tier.value,
        "gpu_changed": gpu != before.configuration.gpu,
        "spend_cap_usd": None if after.spend_cap_usd is None else str(after.spend_cap_usd),
    }
    say(
        counter.progress,
        after.id,
        now,
        "status",
        f"paused → queued: resuming from {'the beginning' if step is None else f'step {step}'}",
        {
            "old_status": "paused",
            "new_status": "queued",
            "action": "resumed",
            "reason": "user_requested",
            "by": user.name,
            **facts,
        },
    )
    counter.audit.record(at=now, actor_id=user.id, action="job.resume", subject=after.id, details=facts)
