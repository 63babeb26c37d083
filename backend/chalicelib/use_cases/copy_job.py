"""Makes a draft of another job. Nothing of the other job is changed, and nothing is shared with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain import job_text
from chalicelib.domain.checkpoint import Checkpoint
from chalicelib.domain.configure import ConfigurationRequest
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job
from chalicelib.domain.origin import Origin, next_name
from chalicelib.domain.retrying import UNEXPECTED
from chalicelib.ports import AuditLog, DatasetStore, Files, JobStore, ProgressStore, SettingsStore
from chalicelib.use_cases.create_job import Words, create_job
from chalicelib.use_cases.estimate_job import EstimateRequest
from chalicelib.use_cases.say import say


@dataclass(frozen=True, slots=True)
class Copier:
    """The ports this use case works with."""

    jobs: JobStore
    progress: ProgressStore
    datasets: DatasetStore
    documents: SettingsStore
    audit: AuditLog
    files: Files
    local_models: bool


def copy_job(
    job: Job,
    request: ConfigurationRequest,
    spend_cap_usd: Decimal | None,
    origin: Origin,
    *,
    new_id: str,
    user: User,
    copier: Copier,
    now: datetime,
    checkpoint: Checkpoint | None = None,
) -> Job:
    """The draft, with the words of the job. checkpoint: of the new job, in storage already. spend_cap_usd: None makes it
    anew from the estimate."""
    draft = create_job(
        EstimateRequest(job.dataset.id, request, user.id, from_step=origin.from_step or 0),
        _words(job, origin),
        spend_cap_usd,
        job_id=new_id,
        user=user,
        jobs=copier.jobs,
        datasets=copier.datasets,
        documents=copier.documents,
        audit=copier.audit,
        files=copier.files,
        local_models=copier.local_models,
        origin=origin,
        checkpoint=checkpoint,
        now=now,
    )
    say(copier.progress, draft.id, now, "info", _sentence(origin), {"origin": job.id, "kind": origin.kind})
    return draft


def _words(job: Job, origin: Origin) -> Words:
    return Words(
        next_name(job.name, origin.kind, job_text.NAME_LENGTHS[1]),
        job.description,
        job.notes,
        job.tags,
        job.client_id,
        job.project_id,
        job.sample_questions,
        job.stop_on_low_gpu,
    )


def _sentence(origin: Origin) -> str:
    made = f'Made as a {origin.kind} of "{origin.job_name}" ({origin.job_id})'
    if origin.from_step is None:
        return f"{made}."
    return f"{made}, going on from step {origin.from_step}. {UNEXPECTED.format(status=origin.status)}."
