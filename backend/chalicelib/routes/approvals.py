"""What waits for a manager's decision, and the decision: signed in, or with the token of a mailed link."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field, StrictStr

from chalicelib import approving, bootstrap, views_approvals, views_queue
from chalicelib.domain.approval import ApprovalStatus
from chalicelib.domain.errors import NotFound, ValidationFailed
from chalicelib.domain.identity import Role, User
from chalicelib.ports_queue import cursor_of
from chalicelib.routes import access
from chalicelib.routes.http import Body, Call, Query, endpoint
from chalicelib.use_cases.decide_approval import decide_approval, the_approval
from chalicelib.use_cases.recognise_approver import recognise_approver

bp = Blueprint(__name__)
Token = Annotated[StrictStr, Field(min_length=1, max_length=100)]


class ApprovalsQuery(Query):
    status: Literal["pending", "approved", "denied", "expired", "obsolete"] = "pending"
    cursor: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,200}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class DecisionBody(Body):
    decision: Literal["approve", "deny"]
    reason: Annotated[StrictStr, Field(max_length=500)] = ""
    token: Token | None = None


@endpoint(
    bp, "GET", "/api/approvals", role=Role.MANAGER, query=ApprovalsQuery, summary="What was asked, by status"
)
def list_approvals(call: Call) -> dict[str, Any]:
    store, wanted = bootstrap.approvals(), call.query
    if wanted.status == ApprovalStatus.PENDING.value:
        # All of them: they are closed within two days.
        waiting = [each for each in store.open() if each.status is ApprovalStatus.PENDING]
        waiting = [each for each in waiting if not each.is_expired(call.now)]
        return views_approvals.approvals_json(list(reversed(waiting)), None, call.now)
    rows = store.of_status(wanted.status, before=_before(wanted.cursor), limit=wanted.limit + 1)
    page = rows[: wanted.limit]
    cursor = views_queue.as_cursor(cursor_of(page[-1])) if len(rows) > len(page) else None
    return views_approvals.approvals_json(page, cursor, call.now)


def _before(cursor: str | None) -> str | None:
    try:
        return None if cursor is None else views_queue.read_cursor(cursor)
    except ValueError as error:
        raise ValidationFailed({"cursor": ["Not a cursor of this list."]}) from error


@endpoint(bp, "GET", "/api/approvals/{approval_id}", summary="One request, for managers and for who asked")
def get_approval(call: Call) -> dict[str, Any]:
    found = the_approval(bootstrap.approvals(), call.path["approval_id"])
    if not (call.person.role.covers(Role.MANAGER) or found.requested_by.id == call.person.id):
        raise NotFound("There is no such request.")
    return views_approvals.approval_json(found, call.now)


class PreviewBody(Body):
    token: Token


# No role, and no GET: the token of the mailed link stands in the body, where no log keeps it. It decides nothing.
@endpoint(
    bp,
    "POST",
    "/api/approvals/{approval_id}/preview",
    role=None,
    body=PreviewBody,
    summary="What is asked and what became of it, for the holder of a mailed link",
)
def post_preview(call: Call) -> dict[str, Any]:
    _decider(call, call.body.token)
    found = the_approval(bootstrap.approvals(), call.path["approval_id"])
    return views_approvals.approval_json(found, call.now)


# No role: the token of a mailed link stands for its person. Without one, the handler asks for a signed-in manager.
@endpoint(
    bp,
    "POST",
    "/api/approvals/{approval_id}/decision",
    role=None,
    body=DecisionBody,
    summary="Approve or deny, as a signed-in manager or with the token of the mailed link",
)
def post_decision(call: Call) -> dict[str, Any]:
    body: DecisionBody = call.body
    decider = _decider(call, body.token)
    if body.decision == "deny" and not body.reason:
        raise ValidationFailed({"reason": ["Say why: the person who asked will read it."]})
    decided = decide_approval(
        call.path["approval_id"],
        approve=body.decision == "approve",
        reason=body.reason,
        decider=decider,
        by_link=body.token is not None,
        approvals=bootstrap.approvals(),
        effects=approving.effects(call.now),
        audit=bootstrap.audit(),
        now=call.now,
    )
    return views_approvals.approval_json(decided, call.now)


def _decider(call: Call, token: str | None) -> User:
    if token is None:
        return access.signed_in_user(call.headers, Role.MANAGER, "approvals:write")
    return recognise_approver(
        call.path["approval_id"],
        token,
        approvals=bootstrap.approvals(),
        users=bootstrap.users(),
        key=approving.link_key(),
    )
