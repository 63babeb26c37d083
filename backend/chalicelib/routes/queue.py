"""The queue over HTTP: who runs, who waits, when each starts, and what happened."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field, StrictBool, StrictStr

from chalicelib import approving, bootstrap, telling, views_approvals, views_queue
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.identity import Role
from chalicelib.domain.queue_history import statistics
from chalicelib.routes.http import Body, Call, Query, endpoint
from chalicelib.routes.job_bodies import Acknowledged, EstimateBody, Money, Text
from chalicelib.routes.jobs import show
from chalicelib.settings import settings
from chalicelib.use_cases.read_queue import QueueNow, read_queue
from chalicelib.use_cases.read_queue_history import read_queue_history
from chalicelib.use_cases.reconfigure_job import reconfigure_job
from chalicelib.use_cases.record_queue_history import DOCUMENT, known_days, longest_wait_seconds
from chalicelib.use_cases.request_promotion import KIND, request_promotion
from chalicelib.use_cases.watch_job import watch_job

bp = Blueprint(__name__)
_KEY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-\d\dT[\d:.]{5,20}Z#[a-z]{1,20}#[a-z0-9_]{1,60}")


class HistoryQuery(Query):
    cursor: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,200}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    days: Annotated[int, Field(ge=1, le=60)] = 30


def queue_now(call: Call) -> QueueNow:
    return read_queue(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        limit=telling.concurrency_limit(),
        now=call.now,
    )


@endpoint(bp, "GET", "/api/queue", summary="Slots, waiting jobs with their forecasts, and statistics")
def get_queue(call: Call) -> dict[str, Any]:
    document = bootstrap.documents().get(DOCUMENT)
    facts = statistics(known_days(document), longest_wait_seconds(document), call.now.astimezone(UTC).date())
    asked = {each.subject: each for each in bootstrap.approvals().open() if each.kind == KIND}
    return views_queue.queue_json(queue_now(call), facts, asked, call.person)


@endpoint(
    bp,
    "GET",
    "/api/queue/history",
    role=Role.MANAGER,
    query=HistoryQuery,
    summary="What happened in the queue, newest first, and what each day added up to",
)
def get_queue_history(call: Call) -> dict[str, Any]:
    history = read_queue_history(
        events=bootstrap.queue_events(),
        documents=bootstrap.documents(),
        before=_before(call.query.cursor),
        limit=call.query.limit,
        days=call.query.days,
        now=call.now,
    )
    return views_queue.history_json(history)


def _before(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        key = views_queue.read_cursor(cursor)
    except ValueError:
        key = ""
    if not _KEY.fullmatch(key):
        raise ValidationFailed({"cursor": ["Not a cursor of this list."]})
    return key


class PromotionBody(Body):
    reason: Annotated[StrictStr, Field(max_length=40)]
    justification: Annotated[StrictStr, Field(max_length=2000)]


@endpoint(
    bp,
    "POST",
    "/api/jobs/{job_id}/promotion",
    body=PromotionBody,
    status=201,
    idempotent_key=True,
    summary="Ask a manager to move a waiting job to the front of the queue",
)
def post_promotion(call: Call) -> dict[str, Any]:
    asked = request_promotion(
        call.path["job_id"],
        call.body.reason,
        call.body.justification,
        user=call.person,
        desk=approving.desk(),
        now=call.now,
    )
    return views_approvals.approval_json(asked, call.now)


class ReconfigureBody(EstimateBody):
    """The whole configuration, and the confirmations of a start."""

    spend_cap_usd: Money = None
    acknowledged: Acknowledged
    override_justification: Text | None = None


@endpoint(
    bp,
    "PUT",
    "/api/jobs/{job_id}/configuration",
    body=ReconfigureBody,
    idempotent_key=True,
    summary="Change what a job in the queue will train; it keeps its place",
)
def put_configuration(call: Call) -> dict[str, Any]:
    body: ReconfigureBody = call.body
    changed = reconfigure_job(
        call.path["job_id"],
        body.as_configuration(),
        body.dataset_id,
        body.spend_cap_usd,
        body.acknowledged.model_dump(),
        body.override_justification,
        user=call.person,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        datasets=bootstrap.datasets(),
        documents=bootstrap.documents(),
        audit=bootstrap.audit(),
        files=bootstrap.files(),
        local_models=settings().local_models,
        budgets=bootstrap.budgets(),
        costs=bootstrap.costs(),
        now=call.now,
    )
    # Another GPU may be had where the former one was not.
    telling.dispatch(call.now)
    return show(bootstrap.jobs().get(changed.id) or changed, call)


class WatchBody(Body):
    queue: StrictBool


@endpoint(
    bp,
    "PUT",
    "/api/jobs/{job_id}/watch",
    body=WatchBody,
    summary="Be told, or not, when this job is third, is next, gets its GPU and starts",
)
def put_watch(call: Call) -> dict[str, Any]:
    job = watch_job(call.path["job_id"], call.body.queue, user=call.person, jobs=bootstrap.jobs())
    return {"id": job.id, "queue": any(person.id == call.person.id for person in job.watchers)}
