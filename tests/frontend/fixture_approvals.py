"""Approvals of the fixture API: asked on a waiting job, decided once, signed in or with a mailed token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from chalicelib.domain import queue_words
from starlette.requests import Request

from tests.frontend.fixture_api import Handler
from tests.frontend.fixture_queue import RANKS, line_of, need, waiting
from tests.frontend.fixture_world import Json, Refused, World, example, iso

# The one who was mailed: their link needs no sign-in.
MIA = {"id": "usr_t02gdadfn8fz", "name": "Mia", "email": "mia@example.com", "role": "manager"}
_APPROVALS: WeakKeyDictionary[World, dict[str, Json]] = WeakKeyDictionary()


def approvals_of(world: World) -> dict[str, Json]:
    return _APPROVALS.setdefault(world, {})


def token_of(approval: Json) -> str:
    return f"token-{approval['id']}"


def ask(world: World, kind: str, subject: str, asked: Json, **changes: Any) -> Json:
    approval: Json = {**example("approvals")["approvals"][0], "id": world.new_id("apr"), "kind": kind}
    approval.update(subject=subject, asked=asked, page=f"/approvals/{approval['id']}")
    approval.update(requested_at=world.tick(), expires_at=iso(world.now + timedelta(hours=48)), **changes)
    approvals_of(world)[approval["id"]] = approval
    return approval


def ask_promotion(world: World, job: Json, reason: str, justification: str) -> Json:
    order = [each["id"] for each in waiting(world)]
    position = order.index(job["id"]) + 1
    label = next(r["label"] for r in world.catalog["promotion_reasons"] if r["id"] == reason)
    asked = {
        **example("approval")["asked"],
        "job_name": job["name"],
        "reason": reason,
        "reason_label": label,
        "justification": justification,
        "old_position": position,
        "delayed_jobs": position - 1,
        "impact": queue_words.delay_sentence(position - 1, timedelta(minutes=30)),
    }
    approval = ask(world, "promotion", job["id"], asked, requested_by=_person(world.user))
    line_of(world).requests[job["id"]] = approval["id"]
    return approval


def _person(user: Json) -> Json:
    return {name: user[name] for name in ("id", "name", "email", "role")}


def _promotion(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    length = len(body["justification"])
    if not 100 <= length <= 500:
        problem = {"justification": [f"Write 100 to 500 characters; this has {length}."]}
        raise Refused(422, "validation_failed", "Some fields need attention.", problem)
    if job["id"] in line_of(world).requests:
        raise Refused(409, "wrong_status", "A manager was already asked to move this job to the front.")
    return ask_promotion(world, job, body["reason"], body["justification"])


def _found(world: World, request: Request) -> Json:
    approval = approvals_of(world).get(request.path_params["approval_id"])
    if approval is None:
        raise Refused(404, "not_found", "There is no such request.")
    return approval


def _is_manager(world: World) -> bool:
    return RANKS.index(world.user["role"]) >= RANKS.index("manager")


def _signed_in(world: World, request: Request) -> bool:
    return request.headers.get("authorization", "").removeprefix("Bearer ") in world.sessions


def _by_token(world: World, request: Request, token: str) -> Json:
    approval = approvals_of(world).get(request.path_params["approval_id"])
    if approval is None or token != token_of(approval):
        raise Refused(401, "not_signed_in", "This link is not valid. Sign in to decide.")
    return approval


def _list(world: World, request: Request, body: Json) -> Any:
    need(world, "manager")
    wanted = request.query_params.get("status", "pending")
    chosen = [each for each in approvals_of(world).values() if each["status"] == wanted][::-1]
    limit = int(request.query_params.get("limit", 50))
    start = int(request.query_params.get("cursor", 0))
    cursor = str(start + limit) if len(chosen) > start + limit else None
    return {"approvals": chosen[start : start + limit], "cursor": cursor}


def _read(world: World, request: Request, body: Json) -> Any:
    approval = _found(world, request)
    if not _is_manager(world) and approval["requested_by"]["id"] != world.user["id"]:
        raise Refused(404, "not_found", "There is no such request.")
    return approval


def _preview(world: World, request: Request, body: Json) -> Any:
    return _by_token(world, request, body["token"])


def _decide(world: World, request: Request, body: Json) -> Any:
    if "token" in body:
        approval, decider = _by_token(world, request, body["token"]), MIA
    elif not _signed_in(world, request):
        raise Refused(401, "unauthenticated", "Sign in to continue.")
    else:
        need(world, "manager")
        approval, decider = _found(world, request), _person(world.user)
    _refuse_unless_pending(world, approval)
    approve = body["decision"] == "approve"
    reason = body.get("reason") or None
    if not approve and not reason:
        problem = {"reason": ["Say why: the person who asked will read it."]}
        raise Refused(422, "validation_failed", "Some fields need attention.", problem)
    approval.update(
        status="approved" if approve else "denied",
        decided_by=decider,
        decided_at=world.tick(),
        by_link="token" in body,
        reason=reason,
    )
    line_of(world).requests.pop(approval["subject"], None)
    if approve and approval["kind"] == "promotion":
        line_of(world).promoted.append(approval["subject"])
        approval["outcome"] = {"old_position": approval["asked"]["old_position"], "new_position": 1}
    return approval


def _refuse_unless_pending(world: World, approval: Json) -> None:
    status = approval["status"]
    details = {"status": status}
    if status in ("approved", "denied"):
        name = approval["decided_by"]["name"]
        raise Refused(409, "wrong_status", f"This request was already {status} by {name}.", details)
    if status == "expired":
        raise Refused(409, "wrong_status", "This request has expired. It can be made again.", details)
    gone = approval["kind"] == "promotion" and approval["subject"] not in {j["id"] for j in waiting(world)}
    if gone or status == "obsolete":
        approval.update(status="obsolete", reason="The job has left the queue.")
        raise Refused(409, "wrong_status", approval["reason"], {"status": "obsolete"})


TABLE: list[tuple[str, str, Handler]] = [
    ("POST", "/jobs/{job_id}/promotion", _promotion),
    ("GET", "/approvals", _list),
    ("GET", "/approvals/{approval_id}", _read),
    ("POST", "/approvals/{approval_id}/preview", _preview),
    ("POST", "/approvals/{approval_id}/decision", _decide),
]
