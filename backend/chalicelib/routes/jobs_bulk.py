"""One action on up to a hundred jobs, answered job by job."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field, StrictBool, StrictStr

from chalicelib import bootstrap
from chalicelib.domain.catalogue import reason_label
from chalicelib.domain.errors import ValidationFailed
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.routes.job_bodies import Id
from chalicelib.routes.jobs import cancel, delete
from chalicelib.use_cases.act_on_jobs import DELETED, Outcome, act_on_jobs

bp = Blueprint(__name__)

# API Gateway gives up after 29 s, and the job that was begun last must still end in time.
LONGEST_SECONDS = 18.0


class BulkBody(Body):
    """reason: needed to cancel, one of the catalogue's."""

    action: Literal["cancel", "delete"]
    job_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    reason: Id | None = None
    notes: Annotated[StrictStr, Field(max_length=500)] | None = None
    confirmed: StrictBool


@endpoint(
    bp,
    "POST",
    "/api/jobs/bulk",
    body=BulkBody,
    idempotent_key=True,
    summary="Cancel or delete many jobs; each succeeds or fails by itself",
)
def post_bulk(call: Call) -> dict[str, Any]:
    body: BulkBody = call.body
    _check(body)
    clock = bootstrap.clock()
    outcomes = act_on_jobs(
        body.job_ids,
        lambda job_id: _act(job_id, body, call),
        is_delete=body.action == "delete",
        jobs=bootstrap.jobs(),
        out_of_time=lambda: (clock() - call.now).total_seconds() > LONGEST_SECONDS,
    )
    done = sum(outcome.error is None for outcome in outcomes)
    return {
        "action": body.action,
        "results": [_outcome_json(each) for each in outcomes],
        "succeeded": done,
        "failed": len(outcomes) - done,
    }


def _check(body: BulkBody) -> None:
    """What is wrong with the request as a whole is said once, not job by job."""
    problems: dict[str, list[str]] = {}
    if body.confirmed is not True:
        problems["confirmed"] = ["Confirm that this cannot be undone."]
    if body.action == "cancel" and (body.reason is None or reason_label(body.reason) is None):
        problems["reason"] = ["Choose one of the listed reasons."]
    if problems:
        raise ValidationFailed(problems)


def _act(job_id: str, body: BulkBody, call: Call) -> str:
    if body.action == "delete":
        delete(job_id, call)
        return DELETED
    return cancel(job_id, str(body.reason), body.notes, call).status.value


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "job_id": outcome.job_id,
        "ok": error is None,
        "status": outcome.status,
        "error": None if error is None else {"code": error.code, "message": error.message},
    }
