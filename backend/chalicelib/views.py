"""Jobs as the API shows them: contracts/examples/job.json, job_list.json, live.json."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib import views_pause, views_stages
from chalicelib.domain import certificate, end_reasons
from chalicelib.domain.attempt import Attempt
from chalicelib.domain.catalogue import reason_label
from chalicelib.domain.checkpoint import Checkpoint
from chalicelib.domain.gpu import Tier
from chalicelib.domain.job import ACTIVE, Job, JobStatus
from chalicelib.domain.pause import KEPT_DAYS
from chalicelib.domain.person import Person
from chalicelib.domain.progress import LogEvent, Progress
from chalicelib.views_catalog import configuration_json, estimate_json, iso, usd
from chalicelib.views_job_cost import cost_json, small
from chalicelib.views_status import allowed_actions, badge, status_sentence


def person_json(person: Person) -> dict[str, Any]:
    return {"id": person.id, "name": person.name, "email": person.email, "role": person.role}


def job_view(
    job: Job,
    row: Progress | None,
    attempts: Sequence[Attempt],
    now: datetime,
    pause_kept_days: int = KEPT_DAYS,
) -> dict[str, Any]:
    """Everything the job page shows besides points and events; `views_status.for_reader` fits it to who reads it."""
    row = row or Progress(job.id)
    return {
        **_common(job, row),
        "notes": job.notes,
        "client_id": job.client_id,
        "project_id": job.project_id,
        "run": job.run,
        "origin": None if job.origin is None else asdict(job.origin),
        "dataset": {
            "id": job.dataset.id,
            "name": job.dataset.name,
            "format": job.dataset.format,
            "conversations": job.dataset.conversations,
            "training_pairs": job.dataset.training_pairs,
            "tokens": job.dataset.tokens,
        },
        "configuration": configuration_json(job.configuration),
        "sample_questions": list(job.sample_questions),
        "stop_on_low_gpu": job.stop_on_low_gpu,
        "estimate": estimate_json(job.estimate) if job.estimate else None,
        "progress": views_stages.progress_json(job, row, now),
        "stages": views_stages.stages_json(job, row),
        "latest_metrics": views_stages.latest_json(row),
        "cost": cost_json(job, attempts, row, now),
        "times": views_pause.times_json(job, now),
        "pause": views_pause.pause_json(job, row, pause_kept_days),
        "history": views_pause.history_json(job),
        "attempts": [_attempt(attempt, now) for attempt in attempts],
        "checkpoint": None if job.checkpoint is None else checkpoint_json(job.checkpoint),
        "certificate": certificate.shown(row.certificate) if row.certificate else None,
        "cancellation": _cancellation(job),
        "error": _error(job, row),
        "links": {"self": f"/api/jobs/{job.id}", "page": f"/training-jobs/{job.id}"},
    }


def _common(job: Job, row: Progress) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "description": job.description,
        "tags": list(job.tags),
        "status": job.status.value,
        "stage": job.stage.value if job.stage else None,
        "end_reason": job.end_reason.value if job.end_reason else None,
        "status_sentence": status_sentence(job, row),
        "badge": badge(job),
        "is_final": job.is_final,
        "allowed_actions": allowed_actions(job),
        "created_by": person_json(job.created_by),
        "created_at": iso(job.created_at),
        "queued_at": iso(job.queued_at) if job.queued_at else None,
        "started_at": iso(job.started_at) if job.started_at else None,
        "ended_at": iso(job.ended_at) if job.ended_at else None,
        "changed_at": iso(job.changed_at),
        "model_id": job.model_id,
    }


def job_row(job: Job, row: Progress | None = None, now: datetime | None = None) -> dict[str, Any]:
    """One line of the jobs list. Without a progress row, what changes every few seconds shows its start."""
    row = row or Progress(job.id)
    at = now or job.changed_at
    progress = views_stages.progress_json(job, row, at)
    configuration = configuration_json(job.configuration)
    values = job.configuration.hyperparameters
    money = row.money
    # Between runs no pod is billed, and the row still holds the money of the last one.
    spent = money.spent_usd(at) if money and job.status in ACTIVE else job.cost_usd or Decimal(0)
    estimate = job.estimate
    return {
        **_common(job, row),
        "dataset": {"id": job.dataset.id, "name": job.dataset.name},
        "configuration": {
            "preset_id": configuration["preset_id"],
            "preset_name": configuration["preset_name"],
            "summary": configuration["summary"],
            "gpu_name": job.configuration.gpu.name,
            "gpu_tier": job.configuration.gpu.tier.value,
            "base_model_name": configuration["base_model"]["name"],
            "tooltip": f"Rank: {values.rank}, LR: {values.learning_rate:g}, Epochs: {values.epochs}, Batch: {values.batch_size}",
        },
        "progress": {key: progress[key] for key in ("percent", "step", "total_steps")},
        "duration_seconds": progress["elapsed_seconds"],
        "paused_seconds": views_pause.times_json(job, at)["paused_seconds"],
        "estimated_hours": None
        if estimate is None
        else {"low": round(estimate.duration_hours.low, 2), "high": round(estimate.duration_hours.high, 2)},
        "cost": {
            "spent_usd": usd(spent),
            "estimated_low_usd": usd(estimate.cost_usd.low) if estimate else None,
            "estimated_high_usd": usd(estimate.cost_usd.high) if estimate else None,
            "hourly_rate_usd": str(estimate.hourly_rate_usd) if estimate else None,
            "estimated_parts": ", ".join(f"{part.label} ${usd(part.usd)}" for part in estimate.breakdown)
            if estimate
            else None,
        },
        "highlights": {},
    }


def _attempt(attempt: Attempt, now: datetime) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "pod_id": attempt.pod_id,
        "pod_name": attempt.pod_name,
        "gpu": attempt.gpu_name,
        "tier": Tier(attempt.tier).value,
        "data_center_id": attempt.data_center_id,
        "hourly_rate_usd": str(attempt.rate_usd_per_hour),
        "status": attempt.status.value,
        "requested_at": iso(attempt.requested_at),
        "created_at": iso(attempt.created_at) if attempt.created_at else None,
        "ended_at": iso(attempt.ended_at) if attempt.ended_at else None,
        "billed_seconds": round(attempt.seconds(now)),
        "cost_usd": small(attempt.cost_usd(now)),
        "resumed_from_step": attempt.resumed_from_step,
        "end": attempt.end,
    }


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """attempt 0: the one a job was made with."""
    return {
        "step": checkpoint.step,
        "at": iso(checkpoint.at),
        "size_bytes": checkpoint.size_bytes,
        "attempt": checkpoint.attempt,
    }


def _cancellation(job: Job) -> dict[str, Any] | None:
    asked = job.cancellation
    if asked is None:
        return None
    return {
        "reason": asked.reason,
        "reason_label": reason_label(asked.reason) or asked.reason,
        "notes": asked.notes,
        "requested_by": person_json(asked.requested_by),
        "requested_at": iso(asked.requested_at),
    }


def _error(job: Job, row: Progress) -> dict[str, Any] | None:
    if job.status is not JobStatus.FAILED or job.end_reason is None:
        return None
    trainer = row.trainer_error or {}
    return {
        "end_reason": job.end_reason.value,
        "title": end_reasons.title(job.end_reason),
        "message": str(trainer.get("message") or job.end_sentence),
        "stack": trainer.get("stack"),
        "at": iso(job.ended_at) if job.ended_at else None,
    }


def event_json(event: LogEvent) -> dict[str, Any]:
    return {
        "id": f"{event.number:012d}",
        "at": iso(event.at),
        "type": event.type,
        "message": event.message,
        "attempt": event.attempt,
        "data": dict(event.data),
    }


# Of the progress row: what no page shows. A watcher's own mark and the trainer's heartbeats change these alone.
_UNSEEN = frozenset(
    {"version", "watched_until", "token", "waiting_for", "deadlines", "last_event_at", "next_sequence"}
    | {"fence", "processes", "gpu_low_since", "provisioning_since"}
)


def cursor_of(job: Job, row: Progress) -> str:
    """Opaque to clients: job version, digest of what the row shows, points revision, number of log lines."""
    shown = [getattr(row, each.name) for each in fields(row) if each.name not in _UNSEEN]
    text = f"{job.version}:{zlib.crc32(repr(shown).encode())}:{row.revision}:{row.event_count}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client knows: revision 0 and no events when it comes for the first time."""

    revision: int = 0
    events: int = 0


def read_cursor(cursor: str | None) -> Seen:
    """Everything is new for none and for one that cannot be read."""
    try:
        padded = (cursor or "") + "=" * (-len(cursor or "") % 4)
        parts = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii").split(":")
        _, _, revision, events = (int(part) for part in parts)
    except ValueError:
        return Seen()
    return Seen(revision, events)
