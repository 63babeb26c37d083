"""Datasets as the API shows them: contracts/examples/dataset*.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.dataset import (
    HIGH_QUALITY_FROM,
    Dataset,
    DatasetStatus,
    Finding,
    Quality,
    Scaffolding,
    Share,
    ValidationProgress,
)
from chalicelib.domain.dataset_statistics import SCORES
from chalicelib.domain.dataset_tokens import COUNTED_HOW
from chalicelib.use_cases.preview_dataset import PreviewRow
from chalicelib.views_people import instant


def dataset(shown: Dataset) -> dict[str, Any]:
    """contracts/examples/dataset.json"""
    return {
        "id": shown.id,
        "name": shown.name,
        "file_name": shown.file_name,
        "size_bytes": shown.size_bytes,
        "status": shown.status.value,
        "format": shown.format.value if shown.format else None,
        "sha256": shown.sha256,
        "conversations": shown.conversations,
        "training_pairs": shown.training_pairs,
        "tokens": shown.tokens,
        "token_counter": COUNTED_HOW,
        "quality": quality(shown.quality) if shown.quality else None,
        "scaffolding": scaffolding(shown.scaffolding) if shown.scaffolding else None,
        "human_review": None
        if shown.human_review is None
        else {
            "reviewed": shown.human_review.reviewed,
            "share": shown.human_review.share,
            "average_score": shown.human_review.average_score,
        },
        "readiness": readiness(shown),
        "errors": [finding(each) for each in shown.errors],
        "error_count": shown.error_count,
        "warnings": [finding(each) for each in shown.warnings],
        "warning_count": shown.warning_count,
        "created_by": {
            "id": shown.created_by.id,
            "name": shown.created_by.name,
            "email": shown.created_by.email,
            "role": shown.created_by.role,
        },
        "created_at": instant(shown.created_at),
        "updated_at": instant(shown.updated_at),
        "validated_at": instant(shown.validated_at) if shown.validated_at else None,
        "progress": progress(shown.progress) if shown.progress else None,
    }


def datasets(page_of: Sequence[Dataset], page: int, limit: int, total: int) -> dict[str, Any]:
    """contracts/examples/dataset_list.json"""
    return {
        "datasets": [dataset(each) for each in page_of],
        "pagination": {"page": page, "limit": limit, "total": total, "total_pages": math.ceil(total / limit)},
    }


def preview(rows: Sequence[PreviewRow], offset: int, limit: int, total: int) -> dict[str, Any]:
    """contracts/examples/dataset_preview.json"""
    conversations = [
        {
            "line": row.line,
            "messages": [
                {"role": role, "content": content, "trained": role == "assistant"}
                for role, content, *_ in row.messages
            ],
            "metadata": dict(row.metadata),
        }
        for row in rows
    ]
    return {
        "conversations": conversations,
        "pagination": {"offset": offset, "limit": limit, "total": total},
    }


def quality(shown: Quality) -> dict[str, Any]:
    """A score no row carries is null: "Not scored"."""
    return {
        "average": shown.average,
        "scores": {name: shown.scores.get(name) for name in SCORES},
        "scored_conversations": shown.scored_conversations,
        "label": "✓ High Quality" if shown.average >= HIGH_QUALITY_FROM else "⚠ Review",
    }


def scaffolding(shown: Scaffolding) -> dict[str, Any]:
    return {
        "personas": _shares(shown.personas),
        "emotional_arcs": _shares(shown.emotional_arcs),
        "topics": _shares(shown.topics),
    }


def _shares(shares: Sequence[Share]) -> list[dict[str, Any]]:
    return [{"value": each.value, "count": each.count, "share": each.share} for each in shares]


def finding(shown: Finding) -> dict[str, Any]:
    return {"line": shown.line, "field": shown.field, "message": shown.message, "hint": shown.hint}


def progress(shown: ValidationProgress) -> dict[str, Any]:
    percent = 100 * shown.bytes_read / shown.bytes_total if shown.bytes_total else 100.0
    return {
        "bytes_read": shown.bytes_read,
        "bytes_total": shown.bytes_total,
        "conversations": shown.conversations,
        "percent": round(min(percent, 100.0), 1),
    }


def readiness(shown: Dataset) -> Mapping[str, str]:
    """Badge and tooltip (FR1.1.1)."""
    if shown.status is DatasetStatus.UPLOADING:
        return {"label": "⏳ Processing", "tooltip": "Waiting for the file to arrive."}
    if shown.status is DatasetStatus.VALIDATING:
        return {"label": "⏳ Processing", "tooltip": "The file is being checked."}
    if shown.status is DatasetStatus.REJECTED:
        problems = "1 problem" if shown.error_count == 1 else f"{shown.error_count:,} problems"
        return {"label": "⚠ Review Required", "tooltip": f"The file was rejected: {problems}."}
    if shown.status is DatasetStatus.DELETED:
        return {"label": "⚠ Review Required", "tooltip": "The dataset was deleted."}
    if shown.quality is not None and shown.quality.average < HIGH_QUALITY_FROM:
        return {
            "label": "✓ Ready for Training",
            "tooltip": f"All checks passed. Average quality is {shown.quality.average}: review it first.",
        }
    return {"label": "✓ Ready for Training", "tooltip": "All checks passed."}
