"""Fixture routes of the comparison: the product's own domain decides over the fixture's jobs, curves and event logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.domain.comparison import outcome
from chalicelib.domain.event_sequence import align, spells
from chalicelib.domain.progress import LogEvent
from chalicelib.views_compare import outcome_json, sequences_json
from starlette.requests import Request

from tests.builders import a_job
from tests.frontend.fixture_world import Json, Refused, World, example

STEPS_PER_EPOCH = 314


def _chosen(world: World, request: Request) -> list[Json]:
    ids = [part for part in request.query_params.get("ids", "").split(",") if part]
    if not 2 <= len(ids) <= 4 or len(set(ids)) < len(ids):
        problem = {"ids": ["Choose 2 to 4 different jobs."]}
        raise Refused(422, "validation_failed", "Some fields need attention.", problem)
    for job_id in ids:
        if job_id not in world.jobs:
            sentence = f"There is no job {job_id}. It may have been deleted."
            raise Refused(404, "not_found", sentence, {"id": job_id})
    return [world.jobs[job_id] for job_id in ids]


def compare(world: World, request: Request, body: Json) -> Any:
    jobs = _chosen(world, request)
    cursor = ".".join(f"{job['changed_at']}{len(world.points[job['id']]['step'])}" for job in jobs)
    wait = 0 if all(job["is_final"] for job in jobs) else 10
    if request.query_params.get("cursor") == cursor:
        return {"cursor": cursor, "changed": False, "poll_after_seconds": wait}
    return {
        "cursor": cursor,
        "changed": True,
        "jobs": [_job(world, job) for job in jobs],
        "differences": _differences(jobs),
        "shared_tags": [tag for tag in jobs[0]["tags"] if all(tag in job["tags"] for job in jobs)],
        "poll_after_seconds": wait,
    }


def _job(world: World, job: Json) -> Json:
    columns = world.points[job["id"]]
    rows = [
        {"step": step, "training_loss": training, "validation_loss": validation, "cost_usd": cost}
        for step, training, validation, cost in zip(
            columns["step"],
            columns["training_loss"],
            columns["validation_loss"],
            columns["cost_usd"],
            strict=True,
        )
    ]
    kept = {name: columns[name] for name in ("step", "cost_usd", "training_loss", "validation_loss")}
    model = world.models.get(job["model_id"] or "")
    return {
        **{name: job[name] for name in example("compare")["jobs"][0] if name in job},
        "quality": None
        if model is None
        else {name: model["quality"][name] for name in ("score", "stars", "known", "convergence")},
        "outcome": outcome_json(outcome(a_job(), rows)) | {"seconds_to_best": len(rows) * 4 or None},
        "curves": {
            "columns": {**kept, "epoch": [step / STEPS_PER_EPOCH for step in columns["step"]]},
            "points": len(rows),
            "total_points": len(rows),
        },
    }


def _differences(jobs: list[Json]) -> list[Json]:
    found = [
        ("dataset", "Dataset", [job["dataset"]["name"] for job in jobs]),
        ("preset", "Preset", [job["configuration"]["preset_name"] for job in jobs]),
        ("base_model", "Base model", [job["configuration"]["base_model"]["name"] for job in jobs]),
        ("gpu", "GPU", [job["configuration"]["gpu"]["name"] for job in jobs]),
        ("tier", "Tier", [job["configuration"]["gpu"]["tier"] for job in jobs]),
    ]
    for name in ("learning_rate", "epochs", "rank", "alpha", "dropout", "warmup_ratio", "target_modules"):
        values = [job["configuration"]["hyperparameters"][name] for job in jobs]
        found.append((name, name.replace("_", " ").capitalize(), values))
    found.append(("spend_cap_usd", "Spend cap", [job["cost"]["spend_cap_usd"] for job in jobs]))
    return [
        {"field": field, "label": label, "values": values, "differs": any(v != values[0] for v in values)}
        for field, label, values in found
    ]


def sequences(world: World, request: Request, body: Json) -> Any:
    jobs = _chosen(world, request)
    found = [spells(_log(world, job["id"]), _now(world, job)) for job in jobs]
    lines = sequences_json([], align(found))["lines"]
    return {
        "jobs": [{name: job[name] for name in ("id", "name", "is_final")} for job in jobs],
        "lines": lines,
    }


def _log(world: World, job_id: str) -> list[LogEvent]:
    return [
        LogEvent(
            number, datetime.fromisoformat(event["at"]), event["type"], event["message"], 1, event["data"]
        )
        for number, event in enumerate(world.events[job_id])
    ]


def _now(world: World, job: Json) -> datetime:
    """The fixture's clock stands still while a job trains on: its newest line is later then."""
    return max(world.now, *(datetime.fromisoformat(event["at"]) for event in world.events[job["id"]]))
