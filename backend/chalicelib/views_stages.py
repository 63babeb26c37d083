"""The four stages and the newest metrics of a job as its page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.domain import end_reasons
from chalicelib.domain.job import ACTIVE, Job, JobStatus
from chalicelib.domain.pace import remaining_seconds, steps_per_hour, total_steps
from chalicelib.domain.pause import active_seconds
from chalicelib.domain.progress import Progress, StageRecord
from chalicelib.views_catalog import iso

STAGES: Sequence[tuple[str, str, int, str]] = (
    ("preprocessing", "Preprocessing", 5, "Est. 2-5 min"),
    ("model_loading", "Model Loading", 10, "Est. 10-15 min"),
    ("training", "Training", 80, ""),
    ("finalization", "Finalization", 5, "Est. 5-10 min"),
)
METRICS = (
    "training_loss",
    "validation_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "gpu_utilization",
    "gpu_memory_gb",
    "gpu_memory_total_gb",
    "perplexity",
)
_FLAT = 0.005


def stages_json(job: Job, row: Progress) -> list[dict[str, Any]]:
    return [_stage(job, row, name, label, weight, usual) for name, label, weight, usual in STAGES]


def _stage(job: Job, row: Progress, name: str, label: str, weight: int, usual: str) -> dict[str, Any]:
    record = row.stages.get(name, StageRecord())
    state = record.state
    if state == "active" and job.status not in ACTIVE:
        state = "failed" if job.status is JobStatus.FAILED else "stopped"
    progress, message = record.progress, record.message
    if name == "training" and state == "active":
        total = total_steps(job, row)
        progress = min(1.0, row.step / total) if total else 0.0
        message = training_sentence(job, row)
    # A few words: the stage shows them as "Failed: Out of Memory".
    failed = state == "failed" and job.end_reason is not None
    error = end_reasons.title(job.end_reason) if failed and job.end_reason else None
    return {
        "id": name,
        "label": label,
        "state": state,
        "weight": weight,
        "message": message,
        "progress": round(progress, 4),
        "started_at": iso(record.started_at) if record.started_at else None,
        "completed_at": iso(record.completed_at) if record.completed_at else None,
        "duration_seconds": _seconds(record),
        "estimate": usual or _training_estimate(job),
        "error": error,
    }


def _seconds(record: StageRecord) -> int | None:
    if record.started_at is None or record.completed_at is None:
        return None
    return round((record.completed_at - record.started_at).total_seconds())


def _training_estimate(job: Job) -> str | None:
    if job.estimate is None:
        return None
    hours = job.estimate.duration_hours
    if hours.high < 1:
        return f"Est. {max(1, round(hours.low * 60))}-{max(2, round(hours.high * 60))} min"
    return f"Est. {hours.low:.0f}-{max(hours.high, hours.low + 1):.0f} hrs"


def training_sentence(job: Job, row: Progress) -> str:
    """`Training epoch 2/3 - Step 520/942... Loss: 0.3420 (↓ improving)`"""
    total = total_steps(job, row)
    epochs = int((row.plan or {}).get("epochs") or job.configuration.hyperparameters.epochs)
    epoch = min(epochs, max(1, int(row.epoch) + (0 if row.epoch == int(row.epoch) and row.epoch > 0 else 1)))
    sentence = f"Training epoch {epoch}/{epochs} - Step {row.step:,}/{total:,}..."
    loss, before = row.latest.get("training_loss"), row.previous.get("training_loss")
    if loss is None:
        return sentence
    return f"{sentence} Loss: {loss:.4f} ({_trend(loss, before)})"


def _trend(loss: float, before: float | None) -> str:
    if before is None or abs(loss - before) <= _FLAT * abs(before):
        return "→ stable"
    return "↓ improving" if loss < before else "↑ increasing"


def progress_json(job: Job, row: Progress, now: datetime) -> dict[str, Any]:
    total = total_steps(job, row)
    done = job.status is JobStatus.COMPLETED
    return {
        "percent": 100.0 if done else round(min(100.0, 100 * row.step / total), 1) if total else 0.0,
        "step": row.step,
        "total_steps": total,
        "epoch": round(row.epoch, 2),
        "epochs": int((row.plan or {}).get("epochs") or job.configuration.hyperparameters.epochs),
        "elapsed_seconds": round(active_seconds(job.started_at, job.pauses, job.ended_at or now))
        if job.started_at
        else 0,
        "remaining_seconds": remaining_seconds(job, row),
        "steps_per_hour": steps_per_hour(row),
        "message": _message(job, row),
    }


def _message(job: Job, row: Progress) -> str | None:
    if job.stage is None or job.is_final:
        return None
    if job.stage.value == "training":
        return training_sentence(job, row)
    record = row.stages.get(job.stage.value)
    return record.message if record else None


def latest_json(row: Progress) -> dict[str, Any]:
    """Newest value of each metric with the one before, for trends."""
    latest: Mapping[str, Any] = row.latest
    return {
        "step": latest.get("step"),
        "at": latest.get("at"),
        **{name: {"value": latest.get(name), "previous": row.previous.get(name)} for name in METRICS},
        "steps_per_hour": {"value": steps_per_hour(row), "previous": None},
    }
