"""Fixture routes for creating jobs, datasets with real uploads, models, notifications."""

from __future__ import annotations

import copy
from typing import Any

from starlette.requests import Request

from tests.frontend.fixture_api import Handler, paginate
from tests.frontend.fixture_world import TOTAL_STEPS, Json, Refused, World, example

PENDING_METRIC = {"value": None, "previous": None}


def _estimate(world: World, request: Request, body: Json) -> Any:
    reply = copy.deepcopy(example("estimate_reply"))
    epochs = body.get("hyperparameters", {}).get("epochs") or 3
    if not 1 <= float(epochs) <= 20:
        problem = {"hyperparameters.epochs": ["Must be between 1 and 20."]}
        raise Refused(422, "validation_failed", "Some fields need attention.", problem)
    on_demand = body["gpu"]["tier"] == "on_demand"
    tier = reply["tiers"]["on_demand" if on_demand else "spot"]
    factor = float(epochs) / 3 * body["gpu"]["count"]
    reply["hourly_rate_usd"] = tier["hourly_rate_usd"]
    reply["cost_usd"] = {name: f"{float(value) * factor:.2f}" for name, value in tier["cost_usd"].items()}
    reply["duration_hours"] = {
        name: value * float(epochs) / 3 for name, value in reply["duration_hours"].items()
    }
    reply["total_steps"] = int(TOTAL_STEPS * float(epochs) / 3)
    return reply


def _create_job(world: World, request: Request, body: Json) -> Any:
    if len(body.get("name") or "") < 3:
        problem = {"name": ["Job name must be between 3 and 100 characters"]}
        raise Refused(422, "validation_failed", "Some fields need attention.", problem)
    job = world.add_job(name=body["name"])
    configure(world, job, body)
    job["progress"].update(percent=0.0, step=0, epoch=0, elapsed_seconds=0, remaining_seconds=None)
    world.points[job["id"]] = {name: [] for name in world.points[job["id"]]}
    world.events[job["id"]] = []
    job["latest_metrics"] = {
        name: dict(PENDING_METRIC) for name in job["latest_metrics"] if name not in ("step", "at")
    }
    job["latest_metrics"].update(step=None, at=None)
    for stage in job["stages"]:
        stage.update(state="pending", progress=0.0, started_at=None, completed_at=None, duration_seconds=None)
    job["cost"].update(spent_usd="0.00", percent_of_estimate=0.0, projected_usd=None)
    job.update(attempts=[], checkpoint=None, started_at=None, queued_at=None)
    _to_draft(job)
    return _queue(world, job) if body.get("start") else job


def configure(world: World, job: Json, body: Json) -> None:
    for key in ("name", "description", "notes", "tags"):
        if body.get(key) is not None:
            job[key] = body[key]
    if "preset_id" in body:
        preset = next(p for p in world.catalog["presets"] if p["id"] == body["preset_id"])
        configuration = job["configuration"]
        configuration.update(preset_id=preset["id"], preset_name=preset["name"])
        configuration["hyperparameters"] = {
            **preset["hyperparameters"],
            **(body.get("hyperparameters") or {}),
        }
        configuration["gpu"].update(body["gpu"])
    if "dataset_id" in body:
        job["dataset"].update({key: world.datasets[body["dataset_id"]][key] for key in ("id", "name")})


def _to_draft(job: Json) -> None:
    job.update(
        status="pending_configuration",
        stage=None,
        allowed_actions=["start", "edit", "delete", "edit_metadata"],
    )
    job.update(
        badge={"label": "Draft", "tone": "draft", "pulsing": False}, status_sentence="Not started yet."
    )


def _queue(world: World, job: Json) -> Json:
    job.update(status="queued", queued_at=world.tick(), allowed_actions=["cancel", "edit_metadata"])
    job.update(
        badge={"label": "Queued", "tone": "queued", "pulsing": False},
        status_sentence="Waiting for a free slot.",
    )
    world.add_event(job["id"], "status", "pending_configuration → queued", {"new_status": "queued"})
    return job


def _start_job(world: World, request: Request, body: Json) -> Any:
    if not all(body.get("acknowledged", {}).get(name) for name in ("configuration", "cost", "budget")):
        raise Refused(422, "validation_failed", "All three confirmations are needed.", {})
    return _queue(world, world.job(request.path_params["job_id"]))


def _patch_job(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    configure(world, job, body)
    job["changed_at"] = world.tick()
    return job


def _datasets(world: World, request: Request, body: Json) -> Any:
    for dataset in world.datasets.values():
        _check_on(world, dataset)
    text = request.query_params.get("search", "").lower()
    wanted = request.query_params.get("status")
    chosen = [
        d
        for d in reversed(list(world.datasets.values()))
        if text in d["name"].lower() and d["status"] == (wanted or d["status"])
    ]
    shown, pagination = paginate(request, chosen)
    return {"datasets": shown, "pagination": pagination}


def _create_dataset(world: World, request: Request, body: Json) -> Any:
    dataset = world.add_dataset(
        status="uploading", conversations=None, training_pairs=None, tokens=None, quality=None
    )
    dataset.update({key: body[key] for key in ("name", "file_name", "size_bytes")})
    dataset.update(
        errors=[], warnings=[], error_count=0, warning_count=0, scaffolding=None, human_review=None
    )
    dataset["readiness"] = {"label": "⏳ Processing", "tooltip": "The file is being uploaded."}
    upload = {"method": "PUT", "url": f"{world.bucket_origin}/bucket/{dataset['id']}", "headers": {}}
    upload["headers"] = {"content-type": "application/octet-stream"}
    return {"dataset": dataset, "upload": upload}


def _dataset(world: World, request: Request, body: Json) -> Any:
    dataset_id = request.path_params["dataset_id"]
    if dataset_id not in world.datasets:
        raise Refused(404, "not_found", "Dataset not found or access denied")
    dataset = world.datasets[dataset_id]
    if request.method == "DELETE":
        del world.datasets[dataset_id]
    else:
        _check_on(world, dataset)
    return dataset


def _check_on(world: World, dataset: Json) -> None:
    """Every look moves an uploaded file one step on: uploading, validating, ready or rejected."""
    if dataset["status"] == "validating":
        _validated(world, dataset)
    elif dataset["status"] == "uploading" and dataset["id"] in world.uploads:
        dataset.update(status="validating", progress=0.4)


def _abort_upload(world: World, request: Request, body: Json) -> Any:
    del world.datasets[request.path_params["dataset_id"]]
    return None


def _validated(world: World, dataset: Json) -> None:
    kind = "dataset_rejected" if b"bot" in world.uploads[dataset["id"]] else "dataset"
    keep = {key: dataset[key] for key in ("id", "name", "file_name", "size_bytes")}
    dataset.update({**copy.deepcopy(example(kind)), **keep, "progress": None})


def _preview(world: World, request: Request, body: Json) -> Any:
    offset, limit = int(request.query_params.get("offset", 0)), int(request.query_params.get("limit", 10))
    shown = []
    for line in range(offset + 1, min(offset + limit, 242) + 1):
        conversation = copy.deepcopy(example("dataset_preview")["conversations"][0])
        conversation["line"] = line
        shown.append(conversation)
    return {"conversations": shown, "pagination": {"offset": offset, "limit": limit, "total": 242}}


def _models(world: World, request: Request, body: Json) -> Any:
    models = list(world.models.values())[::-1]
    if request.query_params.get("sort") == "quality":
        models.sort(key=lambda m: -m["quality"]["score"])
    shown, pagination = paginate(request, models, 12)
    return {"models": shown, "pagination": pagination}


def _model(world: World, request: Request, body: Json) -> Any:
    if request.path_params["model_id"] not in world.models:
        raise Refused(404, "not_found", "Model not found or access denied")
    return world.models[request.path_params["model_id"]]


def _download(world: World, request: Request, body: Json) -> Any:
    model = _model(world, request, body)
    names = body.get("files") or [file["name"] for file in model["files"]]
    files = [f for f in model["files"] if f["name"] in names]
    origin = world.bucket_origin
    return {"files": [{**f, "url": f"{origin}/bucket/{f['name']}"} for f in files], "expires_in_seconds": 900}


def _checkpoint(world: World, request: Request, body: Json) -> Any:
    return {
        "files": [
            {
                "name": "adapter_model.safetensors",
                "url": f"{world.bucket_origin}/bucket/adapter_model.safetensors",
            }
        ]
    }


def _notifications(world: World, request: Request, body: Json) -> Any:
    unread = [note for note in world.notifications if not note["read"]]
    shown = unread if request.query_params.get("unread") == "true" else world.notifications
    limit = int(request.query_params.get("limit", 20))
    start = int(request.query_params.get("cursor", 0))
    cursor = str(start + limit) if len(shown) > start + limit else None
    return {"notifications": shown[start : start + limit], "unread_count": len(unread), "cursor": cursor}


def _read(world: World, request: Request, body: Json) -> Any:
    for note in world.notifications:
        if note["id"] == request.path_params.get("note_id", note["id"]):
            note["read"] = True
    return None


TABLE: list[tuple[str, str, Handler]] = [
    ("POST", "/jobs/estimate", _estimate),
    ("POST", "/jobs", _create_job),
    ("POST", "/jobs/{job_id}/start", _start_job),
    ("PATCH", "/jobs/{job_id}", _patch_job),
    ("POST", "/jobs/{job_id}/checkpoints/{step}/download", _checkpoint),
    ("GET", "/datasets", _datasets),
    ("POST", "/datasets", _create_dataset),
    ("GET", "/datasets/{dataset_id}", _dataset),
    ("DELETE", "/datasets/{dataset_id}", _dataset),
    ("POST", "/datasets/{dataset_id}/upload/abort", _abort_upload),
    ("GET", "/datasets/{dataset_id}/preview", _preview),
    ("GET", "/models", _models),
    ("GET", "/models/{model_id}", _model),
    ("POST", "/models/{model_id}/download", _download),
    ("GET", "/notifications", _notifications),
    ("PATCH", "/notifications/{note_id}/read", _read),
    ("POST", "/notifications/read-all", _read),
]
