"""Jobs over HTTP: estimate, make, read, edit, start, cancel, delete."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, telling, views, views_status
from chalicelib.domain.errors import AppError, ValidationFailed
from chalicelib.domain.ids import new_id
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.organisation import DOCUMENT, from_document
from chalicelib.domain.pause import KEPT_DAYS
from chalicelib.domain.progress import Progress
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.routes.job_bodies import AskEstimateBody, CancelBody, CreateJobBody, EditJobBody, StartBody
from chalicelib.settings import settings
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.cancel_job import cancel_job
from chalicelib.use_cases.create_job import create_job
from chalicelib.use_cases.delete_job import delete_job
from chalicelib.use_cases.edit_job import as_request, edit_job
from chalicelib.use_cases.estimate_job import EstimateRequest, estimate_job
from chalicelib.use_cases.release_budget import release_budget
from chalicelib.use_cases.start_job import start_job
from chalicelib.views_catalog import estimate_json

bp = Blueprint(__name__)


def show(job: Job, call: Call) -> dict[str, Any]:
    return shown(job, bootstrap.progress().get(job.id), call)


def shown(job: Job, row: Progress | None, call: Call) -> dict[str, Any]:
    """The whole job as this caller may see it. Settings are read only where they are shown: of a paused job."""
    days = KEPT_DAYS
    if job.status in {JobStatus.PAUSING, JobStatus.PAUSED}:
        days = from_document(bootstrap.documents().get(DOCUMENT)).pause_kept_days
    view = views.job_view(job, row, bootstrap.attempts().of_job(job.id), call.now, days)
    return views_status.for_reader(view, call.person)


@endpoint(
    bp,
    "POST",
    "/api/jobs/estimate",
    body=AskEstimateBody,
    scope="jobs:read",
    summary="What a job would take and cost",
)
def post_estimate(call: Call) -> dict[str, Any]:
    body: AskEstimateBody = call.body
    draft = None if body.job_id is None else the_job(bootstrap.jobs(), body.job_id)
    request = EstimateRequest(
        body.dataset_id,
        body.as_configuration(),
        call.person.id,
        body.job_id,
        0 if draft is None else draft.given_step,
    )
    return estimate_json(
        estimate_job(
            request,
            datasets=bootstrap.datasets(),
            documents=bootstrap.documents(),
            jobs=bootstrap.jobs(),
            files=bootstrap.files(),
            budgets=bootstrap.budgets(),
            costs=bootstrap.costs(),
            now=call.now,
            local_models=settings().local_models,
        )
    )


@endpoint(
    bp,
    "POST",
    "/api/jobs",
    body=CreateJobBody,
    status=201,
    idempotent_key=True,
    summary="Make a job: a draft, or with `start` at once in the queue",
)
def post_job(call: Call) -> dict[str, Any]:
    body: CreateJobBody = call.body
    job_id = id_of_new_job(call)
    job = bootstrap.jobs().get(job_id)
    if job is not None and job.status is not JobStatus.PENDING_CONFIGURATION:
        return show(job, call)
    job = job or create_job(
        EstimateRequest(body.dataset_id, body.as_configuration(), call.person.id),
        body.as_words(),
        body.spend_cap_usd,
        job_id=job_id,
        user=call.person,
        jobs=bootstrap.jobs(),
        datasets=bootstrap.datasets(),
        documents=bootstrap.documents(),
        audit=bootstrap.audit(),
        files=bootstrap.files(),
        local_models=settings().local_models,
        now=call.now,
    )
    return show(job if body.start is None else start(job.id, body.start, call), call)


def id_of_new_job(call: Call, *asked: str) -> str:
    """By the key where one came: a repeat after a reply that failed half-way finds its own job, and makes no second.

    asked: what else tells one request of a person from another with the same key.
    """
    key = call.headers.get("idempotency-key")
    if key is None:
        return new_id("job", secrets.token_bytes(16))
    return new_id("job", hashlib.sha256(" ".join((call.person.id, *asked, key)).encode()).digest())


@endpoint(bp, "GET", "/api/jobs/{job_id}", summary="Everything about one job")
def get_job(call: Call) -> dict[str, Any]:
    return show(the_job(bootstrap.jobs(), call.path["job_id"]), call)


@endpoint(
    bp,
    "PATCH",
    "/api/jobs/{job_id}",
    body=EditJobBody,
    idempotent_key=True,
    summary="Change its words, or a draft's configuration",
)
def patch_job(call: Call) -> dict[str, Any]:
    body: EditJobBody = call.body
    before = the_job(bootstrap.jobs(), call.path["job_id"])
    job = edit_job(
        before.id,
        body.as_words(),
        _configuration(body, before),
        body.dataset_id,
        body.spend_cap_usd,
        user=call.person,
        jobs=bootstrap.jobs(),
        datasets=bootstrap.datasets(),
        documents=bootstrap.documents(),
        files=bootstrap.files(),
        costs=bootstrap.costs(),
        local_models=settings().local_models,
        now=call.now,
    )
    return show(job, call)


def _configuration(body: EditJobBody, job: Job) -> Any:
    """What was given laid over what the draft has; a new preset brings its own hyperparameters."""
    given = (body.preset_id, body.hyperparameters, body.gpu, body.base_model, body.seed, body.export_merged)
    if all(value is None for value in given):
        return None
    request = as_request(job)
    if body.preset_id is not None:
        request = replace(request, preset_id=body.preset_id, hyperparameters={})
    if body.hyperparameters is not None:
        request = replace(request, hyperparameters={**request.hyperparameters, **body.hyperparameters})
    if body.gpu is not None:
        request = replace(request, gpu_type=body.gpu.type, gpu_count=body.gpu.count, tier=body.gpu.tier)
    if body.base_model is not None:
        request = replace(request, base_model_id=body.base_model)
    if body.export_merged is not None:
        request = replace(request, export_merged=body.export_merged)
    return request if body.seed is None else replace(request, seed=body.seed)


@endpoint(bp, "DELETE", "/api/jobs/{job_id}", idempotent_key=True, summary="Delete a draft or an ended job")
def remove_job(call: Call) -> dict[str, Any]:
    delete(call.path["job_id"], call)
    return {"id": call.path["job_id"], "deleted": True}


def delete(job_id: str, call: Call) -> None:
    delete_job(
        job_id,
        user=call.person,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        files=bootstrap.files(),
        audit=bootstrap.audit(),
        now=call.now,
    )


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/start",
    body=StartBody,
    status=202,
    idempotent_key=True,
    summary="Put a draft into the queue",
)
def post_start(call: Call) -> dict[str, Any]:
    return show(start(call.path["job_id"], call.body, call), call)


def start(job_id: str, body: Body, call: Call) -> Job:
    acknowledged = body.acknowledged.model_dump()  # type: ignore[attr-defined]
    started = start_job(
        job_id,
        acknowledged,
        body.override_justification,  # type: ignore[attr-defined]
        user=call.person,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        datasets=bootstrap.datasets(),
        documents=bootstrap.documents(),
        audit=bootstrap.audit(),
        files=bootstrap.files(),
        local_models=settings().local_models,
        tell=telling.teller(call.now),
        budgets=bootstrap.budgets(),
        costs=bootstrap.costs(),
        now=call.now,
    )
    telling.dispatch(call.now)
    return bootstrap.jobs().get(job_id) or started


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/cancel",
    body=CancelBody,
    status=202,
    idempotent_key=True,
    summary="Cancel, in every status that is not final",
)
def post_cancel(call: Call) -> dict[str, Any]:
    body: CancelBody = call.body
    if body.confirmed is not True:
        raise ValidationFailed({"confirmed": ["Confirm that training stops and the GPU is released."]})
    return show(cancel(call.path["job_id"], body.reason, body.notes, call), call)


def cancel(job_id: str, reason: str, notes: str | None, call: Call) -> Job:
    try:
        job = cancel_job(
            job_id,
            reason=reason,
            notes=notes or None,
            user=call.person,
            jobs=bootstrap.jobs(),
            progress=bootstrap.progress(),
            workflow=bootstrap.workflow(),
            audit=bootstrap.audit(),
            now=call.now,
        )
    except AppError:
        # This try or an earlier one may have died after it cancelled and before it told. Telling twice tells once.
        _tell_cancelled(bootstrap.jobs().get(job_id), call)
        raise
    _tell_cancelled(job, call)
    return job


def _tell_cancelled(job: Job | None, call: Call) -> None:
    if job is not None and job.status is JobStatus.CANCELLED:
        release_budget(job, budgets=bootstrap.budgets(), now=call.now)
        telling.teller(call.now)("job_cancelled", job)
