"""Clones, retries and checkpoints in the fixture world."""

from __future__ import annotations

import copy
from typing import Any

from starlette.requests import Request

from tests.frontend.fixture_world import Json, Refused, World, example


def _draft(world: World, job: Json, kind: str, word: str, from_step: int | None) -> Json:
    origin = {
        "kind": kind,
        "job_id": job["id"],
        "job_name": job["name"],
        "status": job["status"],
        "from_step": from_step,
    }
    draft = world.add_job(name=f"{job['name']} ({word})", tags=list(job["tags"]), notes=job["notes"])
    draft["configuration"] = copy.deepcopy(job["configuration"])
    draft.update(
        status="pending_configuration",
        stage=None,
        started_at=None,
        queued_at=None,
        attempts=[],
        origin=origin,
        checkpoint=None if from_step is None else {**job["checkpoint"], "attempt": 0},
        allowed_actions=["start", "edit", "delete", "clone", "edit_metadata"],
        badge={"label": "Draft", "tone": "neutral", "pulsing": False},
        status_sentence="A draft: nothing is billed until it is started.",
    )
    draft["dataset"] = {**draft["dataset"], "id": next(iter(world.datasets))}
    return draft


def clone_job(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    return _draft(world, job, "clone", "copy", None)


def retry_job(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    if request.method == "GET":
        return _offer(job)
    if body.get("spend_cap_usd") is None:
        raise Refused(
            422, "validation_failed", "Some fields need attention.", {"spend_cap_usd": ["Missing."]}
        )
    draft = _draft(
        world, job, "retry", "retry", job["checkpoint"]["step"] if body["from_checkpoint"] else None
    )
    draft["cost"]["spend_cap_usd"] = body["spend_cap_usd"]
    if body.get("start"):
        draft.update(
            status="queued",
            queued_at=world.tick(),
            allowed_actions=["cancel", "clone", "edit_metadata"],
            badge={"label": "Queued", "tone": "queued", "pulsing": False},
            status_sentence="Waiting for a free slot.",
        )
    return draft


def _offer(job: Json) -> Json:
    """Failed: the suggestions of the example; else on from the checkpoint, or the same again."""
    offer: Json = copy.deepcopy(example("retry"))
    offer.update(job_id=job["id"], status=job["status"], end_reason=job["end_reason"])
    if job["status"] == "failed":
        return offer
    onward, same = copy.deepcopy(offer["options"][1]), offer["options"][2]
    onward.update(id="continue", title="Go on from the last checkpoint", why="")
    onward["request"]["gpu"] = None
    offer.update(
        title=job["badge"]["label"],
        sentence=job["status_sentence"],
        advised="continue",
        checkpoint_warning=f"Resuming from checkpoint of {job['status']} job may produce unexpected results",
        options=[onward, same] if job["status"] == "cancelled" else [same],
    )
    if job["status"] == "completed":
        offer.update(checkpoint=None, checkpoint_warning=None, advised="same")
    return offer


def checkpoints(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    return example("checkpoints") if job["checkpoint"] else {"checkpoints": []}


def stops(world: World, request: Request, body: Json) -> Any:
    if world.user["role"] == "member":
        raise Refused(403, "not_allowed", "This needs the role manager or above; yours is member.")
    shown = copy.deepcopy(example("stops"))
    if request.query_params.get("days") == "30":
        shown.update(jobs=0, people=[])
    return {**shown, "days": int(request.query_params.get("days", 90))}


def pause_advice(world: World, request: Request, body: Json) -> Any:
    return {"advice": example("stops")["advice"]}
