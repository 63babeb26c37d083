"""A finished training run: its summary, its files in storage, its job."""

from __future__ import annotations

import hashlib
from typing import Any

from chalicelib.domain.job import Job
from chalicelib.use_cases.collect_artifacts import artifact_key

from tests.backend.catalogue.api import MemoryFiles
from tests.builders import a_job

BODIES = {
    "adapter_model.safetensors": b"weights" * 1000,
    "adapter_config.json": b'{"r": 16}',
    "README.md": b"# Harbour",
}


def a_summary(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "job_id": "job_0000000000000001",
        "base_model": "lora-pipeline/tiny-llama",
        "revision": "recipe-1",
        "quantization": "none",
        "steps": 60,
        "total_steps": 60,
        "epochs": 3.0,
        "base_validation_loss": 2.1,
        "validation_loss": 1.3,
        "training_loss": 1.24,
        "perplexity": 3.67,
        "loss_curve": [[step, 1.0 + 1.0 / (1 + step)] for step in range(60)],
        "training_seconds": 90.4,
        "tokens": {"trained": 27_000, "supervised": 9_000},
        "samples": [
            {"prompt": "Where?", "system": None, "reference": "Here.", "base": "?", "adapter": "Here."}
        ],
        "worst_rows": [{"line": 17, "base_loss": 3.2, "loss": 2.9, "excerpt": "…"}],
        "regressed_rows": [],
        "ended_by": "completed",
    }
    return {**facts, **changes}


def artifacts(attempt: int = 1, bodies: dict[str, bytes] | None = None, **summary: Any) -> dict[str, Any]:
    files = [
        {"name": name, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in (bodies or BODIES).items()
    ]
    return {"attempt": attempt, "path": "artifacts", "files": files, "summary": a_summary(**summary)}


def stored(job: Job, attempt: int = 1) -> MemoryFiles:
    return MemoryFiles({artifact_key(job.id, attempt, name): body for name, body in BODIES.items()})


def a_trained_job(**changes: Any) -> Job:
    return a_job(**{"attempt": 1, **changes})
