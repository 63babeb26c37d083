"""Puts a draft into the queue after every check was made again on the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.domain import job as transitions
from chalicelib.domain.cost import least_cap_usd
from chalicelib.domain.errors import NotAllowed, ValidationFailed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.ports import AuditLog, DatasetStore, Files, JobStore, ProgressStore, SettingsStore
from chalicelib.use_cases.again import change_job, the_job
from chalicelib.use_cases.create_job import reference
from chalicelib.use_cases.edit_job import as_request
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.say import say

ACKNOWLEDGEMENTS = ("configuration", "cost", "budget")


def start_job(
    job_id: str,
    acknowledged: Mapping[str, bool],
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
    now: datetime,
) -> Job:
    """The queued job. ValidationFailed when an acknowledgement is missing, the data is not usable, the model does not
    fit the GPU, or the cap cannot pay for a start."""
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may start it.")
    transitions.start(job, now)
    missing = [name for name in ACKNOWLEDGEMENTS if acknowledged.get(name) is not True]
    if missing:
        raise ValidationFailed(
            {f"acknowledged.{name}": ["Confirm this before starting."] for name in missing}
        )
    request = EstimateRequest(job.dataset.id, as_request(job), job.created_by.id, job.id)
    estimate = estimate_job(
        request,
        datasets=datasets,
        documents=documents,
        jobs=jobs,
        files=files,
        now=now,
        local_models=local_models,
    )
    if estimate.blockers:
        audit.record(
            at=now,
            actor_id=user.id,
            action="job.start",
            subject=job_id,
            details={"blockers": [blocker.code for blocker in estimate.blockers]},
            outcome="refused",
        )
        raise ValidationFailed({"start": [blocker.message for blocker in estimate.blockers]})
    least = least_cap_usd(estimate.hourly_rate_usd)
    if job.spend_cap_usd is not None and job.spend_cap_usd < least:
        sentence = f"At ${estimate.hourly_rate_usd}/h the cap must be at least ${least}: it pays start-up and saving."
        raise ValidationFailed({"spend_cap_usd": [sentence]})
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
