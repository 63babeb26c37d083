"""What a pod is told: the job file of contracts/job_file.schema.json, and the secret that signs its reports."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.job import Job

_SAMPLE_PROMPTS = 4
_MOST_VALIDATION_CONVERSATIONS = 200


def attempt_secret(master: str, job_id: str, attempt: int, fence: str) -> bytes:
    """32 bytes that only this attempt and we can make (HMAC-SHA256 of the attempt under the deployment's secret)."""
    message = f"{job_id}/{attempt}/{fence}".encode()
    return hmac.new(master.encode(), message, hashlib.sha256).digest()


def as_webhook_secret(secret: bytes) -> str:
    """The form Standard Webhooks gives secrets."""
    return "whsec_" + base64.b64encode(secret).decode()


def job_file(
    job: Job,
    attempt: Attempt,
    base_model: Mapping[str, Any],
    *,
    api_url: str,
    spent_usd: Decimal,
    hourly_rate_usd: Decimal,
    timings: Mapping[str, float],
) -> dict[str, Any]:
    """base_model: {id, name, hub_id, revision, license, context_length, parameters}."""
    parameters = asdict(job.configuration.hyperparameters)
    parameters["target_modules"] = list(parameters["target_modules"])
    dataset = job.dataset
    return {
        "job_id": job.id,
        "job_name": job.name,
        "attempt": attempt.number,
        "fence": attempt.fence,
        "api_url": api_url,
        "base_model": dict(base_model),
        "dataset": {
            "id": dataset.id,
            "name": dataset.name,
            "sha256": dataset.sha256,
            "format": dataset.format,
            "conversations": dataset.conversations,
            "training_pairs": dataset.training_pairs,
        },
        "hyperparameters": parameters,
        "quantization": job.configuration.quantization,
        "seed": job.configuration.seed,
        "checkpoint": {"every_steps": 100, "every_seconds": timings["checkpoint_every_seconds"]},
        "evaluation": {
            "max_validation_conversations": _MOST_VALIDATION_CONVERSATIONS,
            "sample_prompts": _SAMPLE_PROMPTS,
            "max_new_tokens": 96,
            "prompts": list(job.sample_questions),
        },
        **({"export": {"merged": True}} if job.configuration.export_merged else {}),
        "gpu": {
            "type": attempt.gpu_id,
            "count": attempt.gpu_count,
            "tier": attempt.tier.value,
            "hourly_rate_usd": str(hourly_rate_usd),
        },
        "spent_usd": str(spent_usd),
        "report": {
            "interval_seconds": timings["report_interval_seconds"],
            "watched_interval_seconds": timings["watched_interval_seconds"],
            "dead_man_seconds": timings["dead_man_seconds"],
        },
    }
