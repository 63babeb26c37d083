"""Puts a draft into the queue after every check was made again on the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.domain import closing
from chalicelib.domain import job as transitions
from chalicelib.domain.errors import BudgetExceeded, NotAllowed, ValidationFailed, WrongStatus
from chalicelib.domain.estimate import Estimate
from chalicelib.domain.identity import Role, User
from chalicelib.domain.job import Job
from chalicelib.ports import (
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
from chalicelib.use_cases.create_job import reference
from chalicelib.use_cases.edit_job import as_request
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.read_track_record import read_track_record
from chalicelib.use_cases.reserve_budget import reserve_budget
from chalicelib.use_cases.say import say

ACKNOWLEDGEMENTS = ("configuration", "cost", "budget")
LEAST_JUSTIFICATION = 20


def start_job(
    job_id: str,
    acknowledged: Mapping[str, bool],
    override_justification: str | None = None,
    *,
    user: User,
    jobs: JobStore,
    progress: ProgressStore,
    datasets: DatasetStore,
    documents: SettingsStore,
    audit: AuditLog,
    files: Files,
    local_models: bool,
    tell: Callable[[str, Job], object],
    budgets: BudgetStore,
    costs: CostStore,
    now: datetime,
) -> Job:
    """The queued job. ValidationFailed when an acknowledgement is missing, the data is not usable, the model does not
    fit the GPU, or the cap cannot pay for a start; BudgetExceeded when the cap does not fit this month's budget.

    override_justification: a manager's reason to start all the same.
    """
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may start it.")
    transitions.start(job, now)
    check_acknowledged(acknowledged)
    request = EstimateRequest(job.dataset.id, as_request(job), job.created_by.id, job.id, job.given_step)
    estimate = estimate_job(
        request,
        datasets=datasets,
        documents=documents,
        jobs=jobs,
        files=files,
        now=now,
        local_models=local_models,
    )
    priced = replace(job, estimate=estimate)
    check_ready(priced, estimate, user=user, jobs=jobs, documents=documents, audit=audit, now=now)
    reserve(priced, override_justification, user=user, budgets=budgets, costs=costs, audit=audit, now=now)
    dataset = datasets.get(job.dataset.id)

    def start(before: Job) -> Job:
        checked = (job.configuration, job.dataset.id, job.spend_cap_usd)
        if (before.configuration, before.dataset.id, before.spend_cap_usd) != checked:
            raise WrongStatus(
                "The job was changed meanwhile. Review it again.", {"status": before.status.value}
            )
        fresh = replace(before, dataset=reference(dataset) if dataset else before.dataset)
        return replace(transitions.start(fresh, now), estimate=estimate)

    started = change_job(jobs, job_id, start)
    say(
        progress,
        job_id,
        now,
        "status",
        "pending_configuration → queued",
        {"old_status": "pending_configuration", "new_status": "queued", "by": user.name},
    )
    audit.record(
        at=now,
        actor_id=user.id,
        action="job.start",
        subject=job_id,
        details={"spend_cap_usd": str(started.spend_cap_usd)},
    )
    tell("job_queued", started)
    return started


def check_acknowledged(acknowledged: Mapping[str, bool]) -> None:
    """ValidationFailed while anything is not confirmed."""
    missing = [name for name in ACKNOWLEDGEMENTS if acknowledged.get(name) is not True]
    if missing:
        raise ValidationFailed(
            {f"acknowledged.{name}": ["Confirm this before starting."] for name in missing}
        )


def check_ready(
    job: Job,
    estimate: Estimate,
    *,
    user: User,
    jobs: JobStore,
    documents: SettingsStore,
    audit: AuditLog,
    now: datetime,
) -> None:
    """ValidationFailed when something stands against the start, or the cap cannot pay for one."""
    if estimate.blockers:
        audit.record(
            at=now,
            actor_id=user.id,
            action="job.start",
            subject=job.id,
            details={"blockers": [blocker.code for blocker in estimate.blockers]},
            outcome="refused",
        )
        raise ValidationFailed({"start": [blocker.message for blocker in estimate.blockers]})
    record = read_track_record(jobs=jobs, documents=documents, now=now)
    wanted = job.configuration
    least = closing.least_usd(record, wanted.base_model_id, wanted.gpu.type, estimate.hourly_rate_usd)
    if job.spend_cap_usd is not None and job.spend_cap_usd < least:
        sentence = f"At ${estimate.hourly_rate_usd}/h the cap must be at least ${least}: it pays start-up and saving."
        raise ValidationFailed({"spend_cap_usd": [sentence]})


def reserve(
    job: Job,
    justification: str | None,
    *,
    user: User,
    budgets: BudgetStore,
    costs: CostStore,
    audit: AuditLog,
    now: datetime,
) -> None:
    """Before the job is queued: should it not be after all, the sweeper takes the reservation back."""
    reason = (justification or "").strip()
    if reason and not user.role.covers(Role.MANAGER):
        raise NotAllowed("Only a manager may start a job beyond the budget.")
    if reason and len(reason) < LEAST_JUSTIFICATION:
        sentence = f"Say in at least {LEAST_JUSTIFICATION} characters why this job may exceed the budget."
        raise ValidationFailed({"override_justification": [sentence]})
    try:
        reserve_budget(job, budgets=budgets, costs=costs, now=now)
    except BudgetExceeded as error:
        facts = {**error.details, "justification": reason}
        outcome = "success" if reason else "refused"
        audit.record(
            at=now,
            actor_id=user.id,
            action="budget.override" if reason else "budget.refuse",
            subject=job.id,
            details=facts,
            outcome=outcome,
        )
        if not reason:
            raise
        reserve_budget(job, budgets=budgets, costs=costs, now=now, override=True)
