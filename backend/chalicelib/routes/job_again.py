"""A new job made of another one: a clone of any, a retry of an ended one, and what retries would cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field, StrictBool, StrictInt

from chalicelib import bootstrap, views_again
from chalicelib.domain.job import Job, JobStatus
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.routes.job_bodies import Id, Money, ResumeGpuBody, StartBody
from chalicelib.routes.jobs import id_of_new_job, show, start
from chalicelib.settings import settings
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.clone_job import clone_job
from chalicelib.use_cases.copy_job import Copier
from chalicelib.use_cases.propose_retry import propose_retry
from chalicelib.use_cases.retry_job import Change, retry_job
from chalicelib.use_cases.start_job import check_acknowledged

bp = Blueprint(__name__)


class RetryGpuBody(ResumeGpuBody):
    count: Annotated[StrictInt, Field(ge=1, le=64)] | None = None


class RetryBody(Body):
    """All of it may be left out: then the draft is the same job again, from the beginning.

    start: the same object as the start route takes; without it nothing is started.
    """

    from_checkpoint: StrictBool = False
    gpu: RetryGpuBody | None = None
    hyperparameters: dict[Id, Any] = Field(default_factory=dict, max_length=40)
    spend_cap_usd: Money = None
    start: StartBody | None = None

    def as_change(self) -> Change:
        gpu = self.gpu or RetryGpuBody()
        return Change(
            self.from_checkpoint, self.hyperparameters, gpu.type, gpu.count, gpu.tier, self.spend_cap_usd
        )


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/clone",
    status=201,
    idempotent_key=True,
    summary="A draft with the same configuration and words, of a job in any status",
)
def post_clone(call: Call) -> dict[str, Any]:
    def make(job: Job, draft_id: str) -> Job:
        return clone_job(job, new_id=draft_id, user=call.person, copier=_copier(), now=call.now)

    return show(_once("clone", call, make), call)


@endpoint(
    bp,
    "GET",
    "/api/jobs/{job_id}/retry",
    summary="Ways to try an ended job again: suggestions from why it ended, each with its price",
)
def get_retry(call: Call) -> dict[str, Any]:
    job = the_job(bootstrap.jobs(), call.path["job_id"])
    priced, advised = propose_retry(
        job,
        person_id=call.person.id,
        copier=_copier(),
        budgets=bootstrap.budgets(),
        costs=bootstrap.costs(),
        now=call.now,
    )
    return views_again.retry_json(job, bootstrap.progress().get(job.id), priced, advised)


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/retry",
    body=RetryBody,
    status=201,
    idempotent_key=True,
    summary="A new job that tries an ended one again, from its last checkpoint if wished; with `start` at once queued",
)
def post_retry(call: Call) -> dict[str, Any]:
    body: RetryBody = call.body

    def make(job: Job, draft_id: str) -> Job:
        return retry_job(
            job, body.as_change(), new_id=draft_id, user=call.person, copier=_copier(), now=call.now
        )

    if body.start is not None:
        # Before a draft is made that nobody would look for.
        check_acknowledged(body.start.acknowledged.model_dump())
    made = _once("retry", call, make)
    if body.start is not None and made.status is JobStatus.PENDING_CONFIGURATION:
        made = start(made.id, body.start, call)
    return show(made, call)


def _once(verb: str, call: Call, make: Callable[[Job, str], Job]) -> Job:
    """A repeat with the same key after a reply that failed half-way finds its own job, and makes no second."""
    job_id = call.path["job_id"]
    draft_id = id_of_new_job(call, verb, job_id)
    return bootstrap.jobs().get(draft_id) or make(the_job(bootstrap.jobs(), job_id), draft_id)


def _copier() -> Copier:
    return Copier(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        datasets=bootstrap.datasets(),
        documents=bootstrap.documents(),
        audit=bootstrap.audit(),
        files=bootstrap.files(),
        local_models=settings().local_models,
    )
