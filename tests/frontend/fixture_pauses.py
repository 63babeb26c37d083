"""Pausing and resuming in the fixture world: what the API's replies say of a job that is paused."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from tests.frontend.fixture_world import Json, Refused, World

KEPT_UNTIL = "2026-12-22T13:00:00Z"


def pause_job(world: World, request: Request, body: Json) -> Any:
    """``paused`` at once: the checkpoint of a fixture is stored in no time."""
    job = world.job(request.path_params["job_id"])
    if job["status"] != "running":
        raise Refused(409, "wrong_status", f"A job that is {job['status']} cannot be paused.")
    step, done = job["progress"]["step"], job["progress"]
    at = world.tick()
    job["badge"] = {"label": "Paused", "tone": "paused", "pulsing": False}
    job.update(
        status="paused",
        changed_at=at,
        status_sentence=f"Paused at step {step:,}. No GPU is billed.",
        allowed_actions=["resume", "cancel", "edit_metadata"],
        times={"active_seconds": 23100, "paused_seconds": 8100, "elapsed_seconds": 31200},
        history=[
            {"what": "started", "at": job["started_at"], "seconds": None},
            {"what": "paused", "at": at, "seconds": 23100},
        ],
        pause={
            "asked_at": at,
            "asked_by": job["created_by"]["name"],
            "paused_at": at,
            "step": step,
            "own_checkpoint": True,
            "checkpoint_size_bytes": 412_000_000,
            "kept_until": KEPT_UNTIL,
            "resume": {
                "from_step": step,
                "percent": done["percent"],
                "steps_left": done["total_steps"] - step,
                "hours_left": 2.4,
                "additional_cost_usd": "4.78",
            },
        },
    )
    job["cost"].update(accruing=False, projected_usd=None)
    job["progress"].update(remaining_seconds=None, elapsed_seconds=23100)
    job["stages"][2].update(state="stopped")
    return job


def resume_job(world: World, request: Request, body: Json) -> Any:
    """``queued`` again, on the GPU that was asked for."""
    if body.get("spend_cap_usd") == "1.00":
        sentence = "$1.23 is spent, and at $2.69/h the cap must be at least $1.91 to go on."
        raise Refused(422, "validation_failed", "Some fields need attention.", {"spend_cap_usd": [sentence]})
    job = world.job(request.path_params["job_id"])
    at = world.tick()
    job["badge"] = {"label": "Queued", "tone": "queued", "pulsing": False}
    job["configuration"]["gpu"].update(body["gpu"])
    job["history"].append({"what": "resumed", "at": at, "seconds": 8100})
    job.update(
        status="queued",
        changed_at=at,
        pause=None,
        status_sentence="Waiting for a free slot.",
        allowed_actions=["cancel", "edit_metadata"],
    )
    return job
