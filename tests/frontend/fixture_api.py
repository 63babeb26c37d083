"""Routes of the fixture API over a :class:`World`: the same paths, envelopes and refusals as the product's API."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.frontend import fixture_compare
from tests.frontend.fixture_again import checkpoints, clone_job, pause_advice, retry_job, stops
from tests.frontend.fixture_jobs_list import bulk, export, list_jobs, page_of
from tests.frontend.fixture_pauses import pause_job, resume_job
from tests.frontend.fixture_world import FINAL_STATUSES, Json, Refused, World, example

Handler = Callable[[World, Request, Json], Any]
PASSWORD = "correct horse battery staple"
EMAIL = "dana@example.com"


def routes(world: World, table: list[tuple[str, str, Handler]]) -> list[Route]:
    """Starlette routes; each handler runs under the world's lock and may raise :class:`Refused`."""
    return [
        Route("/api" + path, _endpoint(world, handler), methods=[method]) for method, path, handler in table
    ]


def _endpoint(world: World, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.json() if await request.body() else {}
        with world.lock:
            world.requests.append(
                {
                    "method": request.method,
                    "path": request.url.path,
                    "body": body,
                    "query": dict(request.query_params),
                }
            )
            try:
                _gate(world, request)
                return JSONResponse({"success": True, "data": handler(world, request, body)})
            except Refused as refused:
                envelope = {
                    "error": refused.sentence,
                    "details": refused.details,
                    "code": refused.code,
                    "request_id": "fixture",
                }
                return JSONResponse(envelope, status_code=refused.status)

    return endpoint


def _gate(world: World, request: Request) -> None:
    path = request.url.path.removeprefix("/api")
    if any(path.startswith(prefix) for prefix in world.failing):
        raise Refused(503, "unavailable", "The service is busy. Try again in a moment.")
    if path.startswith("/session") or re.fullmatch(r"/approvals/\w+/(preview|decision)", path):
        return
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token not in world.sessions:
        raise Refused(401, "unauthenticated", "Sign in to continue.")


def _session(world: World, request: Request, body: Json) -> Any:
    if body.get("email") == "new@example.com":
        return example("session_challenge_reply")
    if body.get("email") != EMAIL or body.get("password") != PASSWORD:
        raise Refused(401, "wrong_credentials", "The e-mail or the password is wrong.")
    return _issue(world)


def _issue(world: World) -> Json:
    token = world.new_id("session")
    world.sessions.add(token)
    return {
        **example("session_reply"),
        "access_token": token,
        "refresh_token": "refresh-1",
        "user": world.user,
    }


def _new_password(world: World, request: Request, body: Json) -> Any:
    if body.get("session") != example("session_challenge_reply")["session"]:
        raise Refused(401, "wrong_credentials", "This sign-in has expired. Start again.")
    return _issue(world)


def _refresh(world: World, request: Request, body: Json) -> Any:
    if body.get("refresh_token") != "refresh-1":
        raise Refused(401, "unauthenticated", "Sign in to continue.")
    return _issue(world)


def _me(world: World, request: Request, body: Json) -> Any:
    if request.method == "PUT":
        world.user.update(body)
    return world.user


def _tokens(world: World, request: Request, body: Json) -> Any:
    if request.method == "GET":
        return {"tokens": world.tokens}
    created = {**example("token_created"), "id": world.new_id("tok"), "name": body["name"]}
    world.tokens.append({key: value for key, value in created.items() if key != "token"})
    return created


def _revoke(world: World, request: Request, body: Json) -> Any:
    world.tokens = [token for token in world.tokens if token["id"] != request.path_params["token_id"]]
    return None


def paginate(request: Request, items: list[Json], default: int = 25) -> tuple[list[Json], Json]:
    return page_of(dict(request.query_params), items, default)


def _job(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    if request.method == "DELETE":
        del world.jobs[job["id"]]
        return None
    return job


def _live(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    known_points, known_events = map(int, request.query_params.get("cursor", "0:0:").split(":")[:2])
    stamp = request.query_params.get("cursor", "0:0:").split(":", 2)[2]
    if job["status"] == "cancelling" and stamp == job["changed_at"]:
        world.settle_cancel(job)
    elif job["status"] == "running" and world.steps_per_poll and stamp:
        world.advance(job["id"], world.steps_per_poll)
    columns, events = world.points[job["id"]], world.events[job["id"]]
    cursor = f"{len(columns['step'])}:{len(events)}:{job['changed_at']}"
    if cursor == request.query_params.get("cursor"):
        return {"cursor": cursor, "changed": False, "poll_after_seconds": 5}
    return {
        "cursor": cursor,
        "changed": True,
        "job": job,
        "points": {name: values[known_points:] for name, values in columns.items()},
        "reset_points": known_points == 0,
        "events": events[known_events:][-50:],
        "poll_after_seconds": 5 if job["status"] not in FINAL_STATUSES else None,
    }


def _metrics(world: World, request: Request, body: Json) -> Any:
    columns = world.points[world.job(request.path_params["job_id"])["id"]]
    return {
        "columns": columns,
        "cursor": "x",
        "points": len(columns["step"]),
        "total_points": len(columns["step"]),
        "thinned": False,
    }


def _events(world: World, request: Request, body: Json) -> Any:
    events = world.events[world.job(request.path_params["job_id"])["id"]]
    kinds = [kind for kind in request.query_params.get("type", "").split(",") if kind]
    text = request.query_params.get("search", "").lower()
    chosen = [
        e
        for e in events
        if (not kinds or e["type"] in kinds)
        and text in f"{e['message']}{e['data']}".lower()
        and _moment(request, "from", "0001") <= e["at"] <= _moment(request, "to", "9999")
    ]
    shown, pagination = paginate(
        request, chosen[::-1] if request.query_params.get("sort") != "asc" else chosen, 50
    )
    counts = {kind: sum(e["type"] == kind for e in events) for kind in example("events")["counts"]}
    return {"events": shown, "counts": counts, "pagination": pagination}


def _moment(request: Request, name: str, default: str) -> str:
    """Cut to the second, as events are stamped."""
    given = request.query_params.get(name)
    return default if given is None else given[:19] + "Z"


def _cancel(world: World, request: Request, body: Json) -> Any:
    return world.request_cancel(request.path_params["job_id"], body["reason"], body.get("notes"))


TABLE: list[tuple[str, str, Handler]] = [
    ("POST", "/session", _session),
    ("POST", "/session/new-password", _new_password),
    ("POST", "/session/forgot-password", lambda *_: None),
    ("POST", "/session/refresh", _refresh),
    ("POST", "/session/sign-out", lambda *_: None),
    ("GET", "/me", _me),
    ("PUT", "/me", _me),
    ("GET", "/tokens", _tokens),
    ("POST", "/tokens", _tokens),
    ("DELETE", "/tokens/{token_id}", _revoke),
    ("GET", "/catalog", lambda world, *_: world.catalog),
    ("GET", "/jobs", list_jobs),
    ("GET", "/jobs/compare", fixture_compare.compare),
    ("GET", "/jobs/compare/sequences", fixture_compare.sequences),
    ("POST", "/jobs/bulk", bulk),
    ("POST", "/exports", export),
    ("GET", "/jobs/{job_id}", _job),
    ("DELETE", "/jobs/{job_id}", _job),
    ("GET", "/jobs/{job_id}/live", _live),
    ("GET", "/jobs/{job_id}/metrics", _metrics),
    ("GET", "/jobs/{job_id}/events", _events),
    ("POST", "/jobs/{job_id}/cancel", _cancel),
    ("GET", "/jobs/{job_id}/retry", retry_job),
    ("POST", "/jobs/{job_id}/retry", retry_job),
    ("POST", "/jobs/{job_id}/clone", clone_job),
    ("GET", "/jobs/{job_id}/checkpoints", checkpoints),
    ("GET", "/jobs/{job_id}/pause-advice", pause_advice),
    ("GET", "/statistics/stops", stops),
    ("POST", "/jobs/{job_id}/pause", pause_job),
    ("POST", "/jobs/{job_id}/resume", resume_job),
]
