"""Jobs side by side as the API shows them: contracts/examples/compare.json, compare_sequences.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from chalicelib import views
from chalicelib.domain.comparison import Outcome, differences, shared_tags
from chalicelib.domain.event_sequence import Aligned, Cell
from chalicelib.domain.job import Job
from chalicelib.domain.metrics import thin
from chalicelib.domain.model import Model
from chalicelib.domain.progress import Progress
from chalicelib.use_cases.compare_jobs import Compared
from chalicelib.views_catalog import iso

# Of the job view: what two jobs are compared by.
_KEPT = (
    "id", "name", "description", "tags", "status", "stage", "end_reason", "status_sentence", "badge", "is_final",
    "created_by", "created_at", "started_at", "ended_at", "changed_at", "model_id", "dataset", "configuration",
    "progress", "cost", "times", "links",
)  # fmt: skip
_CURVES = ("step", "epoch", "cost_usd", "training_loss", "validation_loss")


def cursor_json(jobs: Sequence[Job], rows: Sequence[Progress]) -> str:
    """Opaque: it is the same as long as no job of the comparison changed."""
    return ".".join(views.cursor_of(job, row) for job, row in zip(jobs, rows, strict=True))


def comparison_json(
    compared: Sequence[Compared], cursor: str, max_points: int, now: datetime
) -> dict[str, Any]:
    jobs = [each.job for each in compared]
    return {
        "cursor": cursor,
        "changed": True,
        "jobs": [_job(each, max_points, now) for each in compared],
        "differences": [
            {**asdict(each), "values": list(each.values)} for each in differences(jobs)
        ],
        "shared_tags": list(shared_tags(jobs)),
        "poll_after_seconds": poll_after_seconds(jobs),
    }  # fmt: skip


def poll_after_seconds(jobs: Sequence[Job]) -> int:
    """0: all have ended, nothing will change."""
    return 0 if all(job.is_final and not job.cleanup_pending for job in jobs) else 10


def _job(each: Compared, max_points: int, now: datetime) -> dict[str, Any]:
    whole = views.job_view(each.job, each.row, each.attempts, now)
    kept = thin(each.rows, max_points)
    return {
        **{name: whole[name] for name in _KEPT},
        "quality": _quality(each.model),
        "outcome": outcome_json(each.outcome),
        "curves": {
            "columns": {name: [row.get(name) for row in kept] for name in _CURVES},
            "points": len(kept),
            "total_points": each.total_points,
        },
    }


def _quality(model: Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    quality = model.quality
    return {
        "score": quality.score,
        "stars": quality.stars,
        "known": quality.known,
        "convergence": quality.convergence,
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    money = ("cost_usd", "cost_per_hundredth_usd")
    return {
        name: None if value is None else str(value) if name in money else value
        for name, value in asdict(outcome).items()
    }


def sequences_json(jobs: Sequence[Job], lines: Sequence[Aligned]) -> dict[str, Any]:
    return {
        "jobs": [{"id": job.id, "name": job.name, "is_final": job.is_final} for job in jobs],
        "lines": [
            {
                "what": line.what,
                "occurrence": line.occurrence,
                "label": line.label,
                "cells": [_cell(cell) for cell in line.cells],
            }
            for line in lines
        ],
    }


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    spell = cell.spell
    return {
        "started_at": iso(spell.started_at),
        "offset_seconds": spell.offset_seconds,
        "seconds": spell.seconds,
        "lasting": spell.lasting,
        "message": spell.message,
        "difference_seconds": cell.difference_seconds,
    }
