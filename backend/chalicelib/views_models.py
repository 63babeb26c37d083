"""Models as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chalicelib.domain.model import Model, TrainingFacts
from chalicelib.use_cases.download_model import LINK_SECONDS, FileLink
from chalicelib.use_cases.list_models import ModelPage
from chalicelib.views_catalog import configuration_json, iso, usd


def model_row_json(model: Model) -> dict[str, Any]:
    """One entry of contracts/examples/model_list.json."""
    return {
        "id": model.id,
        "name": model.name,
        "version": model.release,
        "status": model.status,
        "job": {"id": model.job_id, "name": model.job_name},
        "dataset": asdict(model.dataset),
        "base_model": asdict(model.base_model),
        "created_at": iso(model.created_at),
        "quality": {**asdict(model.quality), "parts": [asdict(part) for part in model.quality.parts]},
        "metrics": asdict(model.metrics),
        "training": _training(model.training),
        "total_bytes": model.total_bytes,
    }


def model_json(model: Model) -> dict[str, Any]:
    """contracts/examples/model.json"""
    return {
        **model_row_json(model),
        "created_by": asdict(model.created_by),
        "configuration": configuration_json(model.configuration),
        "files": [
            {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in model.files
        ],
        "samples": [asdict(sample) for sample in model.samples],
        "worst_rows": [asdict(row) for row in model.worst_rows],
        "regressed_rows": [asdict(row) for row in model.regressed_rows],
    }


def model_page_json(page: ModelPage) -> dict[str, Any]:
    """contracts/examples/model_list.json"""
    return {
        "models": [model_row_json(model) for model in page.models],
        "pagination": {
            "page": page.page,
            "limit": page.limit,
            "total": page.total,
            "total_pages": page.total_pages,
        },
    }


def links_json(links: Sequence[FileLink]) -> dict[str, Any]:
    """contracts/examples/model_download_reply.json"""
    return {
        "files": [
            {
                "name": link.file.name,
                "url": link.url,
                "size_bytes": link.file.size_bytes,
                "sha256": link.file.sha256,
            }
            for link in links
        ],
        "expires_in_seconds": LINK_SECONDS,
    }


def _training(facts: TrainingFacts) -> dict[str, Any]:
    epochs = int(facts.epochs) if facts.epochs == int(facts.epochs) else round(facts.epochs, 2)
    return {**asdict(facts), "epochs": epochs, "cost_usd": usd(facts.cost_usd)}
