"""Pausing and resuming a job over HTTP."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, telling
from chalicelib.routes.http import Call, endpoint
from chalicelib.routes.job_bodies import ResumeBody
from chalicelib.routes.jobs import show
from chalicelib.settings import settings
from chalicelib.use_cases.pause_job import pause_job
from chalicelib.use_cases.resume_job import Counter, Wish, resume_job

bp = Blueprint(__name__)


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/pause",
    status=202,
    idempotent_key=True,
    summary="Store a checkpoint, then release the GPU",
)
def post_pause(call: Call) -> dict[str, Any]:
    job = pause_job(
        call.path["job_id"],
        user=call.person,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        workflow=bootstrap.workflow(),
        audit=bootstrap.audit(),
        now=call.now,
    )
    return show(job, call)


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/resume",
    body=ResumeBody,
    status=202,
    idempotent_key=True,
    summary="Put a paused job back into the queue, on the same or another GPU",
)
def post_resume(call: Call) -> dict[str, Any]:
    body: ResumeBody = call.body
    gpu_type, tier = (body.gpu.type, body.gpu.tier) if body.gpu else (None, None)
    counter = Counter(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        attempts=bootstrap.attempts(),
        datasets=bootstrap.datasets(),
        documents=bootstrap.documents(),
        audit=bootstrap.audit(),
        files=bootstrap.files(),
        local_models=settings().local_models,
        tell=telling.teller(call.now),
        budgets=bootstrap.budgets(),
        costs=bootstrap.costs(),
    )
    job = resume_job(
        call.path["job_id"],
        Wish(gpu_type, tier, body.spend_cap_usd),
        user=call.person,
        counter=counter,
        now=call.now,
    )
    telling.dispatch(call.now)
    return show(bootstrap.jobs().get(job.id) or job, call)
