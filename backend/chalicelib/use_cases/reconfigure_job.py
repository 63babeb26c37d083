"""Changes what a job in the queue will train, until it gets a GPU. It keeps its place in line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.configure import ConfigurationRequest
from chalicelib.domain.errors import NotAllowed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.queue import may_be_reconfigured
from chalicelib.domain.reservations import cap_usd
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
from chalicelib.use_cases.create_job import check_cap
from chalicelib.use_cases.edit_job import with_configuration
from chalicelib.use_cases.reserve_budget import reserve_budget
from chalicelib.use_cases.say import say
from chalicelib.use_cases.start_job import check_acknowledged, check_ready, reserve


def reconfigure_job(
    job_id: str,
    configuration: ConfigurationRequest,
    dataset_id: str,
    spend_cap_usd: Decimal | None,
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
    budgets: BudgetStore,
    costs: CostStore,
    now: datetime,
) -> Job:
    """The job after the change. It costs something else, so everything that a start checks is checked, and confirmed, again.

    WrongStatus when the job does not wait, has trained before, or got its slot meanwhile.
    """
    job = the_job(jobs, job_id)
    if not job.may_be_changed_by(user):
        raise NotAllowed("Only the person who made this job, or a manager, may change it.")
    _refuse_unless_waiting(job)
    check_cap(spend_cap_usd)
    check_acknowledged(acknowledged)
    wanted = with_configuration(
        job,
        configuration,
        dataset_id,
        spend_cap_usd,
        datasets=datasets,
        documents=documents,
        jobs=jobs,
        files=files,
        local_models=local_models,
        now=now,
    )
    if wanted.estimate is not None:
        check_ready(wanted, wanted.estimate, user=user, jobs=jobs, documents=documents, audit=audit, now=now)
    # More is reserved before the job may spend it, and less once it may no longer spend more. Whatever is lost in between
    # is put right from the job's own row (`heal_budget`).
    if cap_usd(wanted) > cap_usd(job):
        reserve(wanted, override_justification, user=user, budgets=budgets, costs=costs, audit=audit, now=now)

    def change(before: Job) -> Job:
        _refuse_unless_waiting(before)
        seen = (job.configuration, job.dataset.id, job.spend_cap_usd)
        if (before.configuration, before.dataset.id, before.spend_cap_usd) != seen:
            raise WrongStatus(
                "The job was changed meanwhile. Review it again.", {"status": before.status.value}
            )
        return replace(
            before,
            configuration=wanted.configuration,
            dataset=wanted.dataset,
            estimate=wanted.estimate,
            spend_cap_usd=wanted.spend_cap_usd,
            # What it was held by may not hold for another GPU.
            not_before=None,
            held_by=None,
            capacity_misses=0,
            changed_at=now,
        )

    changed = change_job(jobs, job_id, change)
    if cap_usd(changed) < cap_usd(job):
        reserve_budget(changed, budgets=budgets, costs=costs, now=now, override=True)
    caps = {"old_cap_usd": str(job.spend_cap_usd), "new_cap_usd": str(changed.spend_cap_usd)}
    say(progress, job_id, now, "info", f"{user.name} changed the configuration while the job waited", caps)
    audit.record(at=now, actor_id=user.id, action="job.reconfigure", subject=job_id, details=caps)
    return changed


def _refuse_unless_waiting(job: Job) -> None:
    if not may_be_reconfigured(job):
        raise WrongStatus(
            "Only a job that waits in the queue and has never trained can be configured anew.",
            {"status": job.status.value},
        )
