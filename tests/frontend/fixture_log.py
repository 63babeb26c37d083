"""The event log of a fixture job: its stages when they were, a line every twenty steps, its end."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.frontend.fixture_world import World

SECONDS_PER_STEP = 3.0


def wobble(step: int, pace: float) -> float:
    """Between -1 and 1, without a period that the eye would find."""
    return math.sin(step * pace) * math.sin(step * 0.137 * pace + 1) * math.sin(step * step * 0.01)


def begin(world: World, job: dict[str, Any]) -> None:
    """What happened up to the first step."""
    job_id, rate = job["id"], job["cost"]["hourly_rate_usd"]
    _status(world, job_id, "pending_configuration", "queued", job["queued_at"])
    rented = f"GPU rented: 1x {job['configuration']['gpu']['name']} (spot) at ${rate}/h"
    world.add_event(
        job_id,
        "status",
        rented,
        {"pod_id": "5xpma5eg46tqjq", "usd_per_hour": rate},
        job["attempts"][0]["created_at"],
    )
    old = "provisioning"
    for stage in job["stages"]:
        if stage["started_at"]:
            _status(world, job_id, old, stage["id"], stage["started_at"])
        old = stage["id"]


def _status(world: World, job_id: str, old: str, new: str, at: str | None) -> None:
    world.add_event(job_id, "status", f"{old} → {new}", {"old_status": old, "new_status": new}, at)


def end(world: World, job: dict[str, Any]) -> None:
    """How an ended job ended; nothing for others."""
    if not job["is_final"]:
        return
    data = {"old_status": "running", "new_status": job["status"], "end_reason": job["end_reason"]}
    kind = "error" if job["status"] == "failed" else "status"
    last = world.events[job["id"]][-1]["at"]
    at = max(job["ended_at"], last)
    world.add_event(job["id"], kind, f"running → {job['status']}: {job['status_sentence']}", data, at)


def step(world: World, job_id: str, number: int, loss: float) -> None:
    """A metrics line every twenty steps, a checkpoint every hundred."""
    if number % 20:
        return
    at = _time_of(world, job_id, number)
    text = f"Step {number}: loss={loss:.4f}, lr=0.000200, gpu_util=94%"
    world.add_event(job_id, "metrics", text, {"step": number, "training_loss": loss}, at)
    if number % 100 == 0:
        data = {
            "step": number,
            "path": f"checkpoints/step-{number:06d}",
            "size_mb": 84,
            "verified": True,
            "note": None,
        }
        world.add_event(job_id, "checkpoint", f"Checkpoint saved at step {number} (84MB uploaded)", data, at)


def _time_of(world: World, job_id: str, number: int) -> str:
    started = datetime.fromisoformat(world.jobs[job_id]["stages"][2]["started_at"])
    seconds = number * SECONDS_PER_STEP * world.slopes[job_id] / 140
    return (started + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
