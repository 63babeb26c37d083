"""Datasets, finished jobs and plans that the estimate and catalogue tests share."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain import base_models, catalogue, presets, workload
from chalicelib.domain.configuration import Configuration, GpuChoice
from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.estimate import Accuracy, Estimate
from chalicelib.domain.gpu import Tier
from chalicelib.domain.plan_cost import Plan, estimate
from chalicelib.domain.track_record import PRIOR_SPREAD, Correction, FinishedJob

from tests.builders import DANA
from tests.fakes import START

H100 = "NVIDIA H100 PCIe"
NO_ACCURACY = Accuracy(0, None, None, "No completed jobs yet to compare estimates with.")


def a_dataset(**changes: Any) -> Dataset:
    facts: dict[str, Any] = {
        "id": "ds_0000000000000001",
        "name": "Harbour",
        "file_name": "harbour.jsonl",
        "size_bytes": 1_000_000,
        "status": DatasetStatus.READY,
        "key": "datasets/ds_0000000000000001/source.jsonl",
        "created_by": DANA.as_person(),
        "created_at": START,
        "updated_at": START,
        "conversations": 242,
        "training_pairs": 1567,
        "tokens": 318_224,
    }
    return Dataset(**{**facts, **changes})


def a_plan(
    *,
    model_id: str = "llama-3.1-8b-instruct",
    gpu_id: str = H100,
    tier: Tier = Tier.SPOT,
    count: int = 1,
    conversations: int | None = 242,
    tokens: int | None = 318_224,
    correction: Correction | None = None,
    probability: float = 0.2,
    preset_id: str = "balanced",
    **overrides: Any,
) -> Plan:
    model = base_models.find(model_id)
    card = catalogue.card_of(catalogue.priced(None, None), gpu_id)
    assert model is not None
    assert card is not None
    values = presets.resolve(preset_id, overrides)
    gpu = GpuChoice(card.type.id, card.type.name, count, tier)
    return Plan(
        configuration=Configuration(preset_id, values, gpu, model.id, model.quantization),
        model=model,
        card=card,
        work=workload.measure(conversations, 1567, tokens, values),
        correction=correction or Correction(1.0, *PRIOR_SPREAD, 0),
        interruption_probability=probability,
        accuracy=NO_ACCURACY,
    )


def an_estimate(**changes: Any) -> Estimate:
    return estimate(a_plan(**changes), [], [], START)


def a_finished_job(number: int = 1, *, at: datetime = START, **changes: Any) -> FinishedJob:
    facts: dict[str, Any] = {
        "id": f"job_{number:016d}",
        "completed": True,
        "ended_at": at,
        "person_id": DANA.id,
        "preset_id": "balanced",
        "base_model_id": "llama-3.1-8b-instruct",
        "tier": "spot",
        "clean": True,
        "prior_hours": 1.0,
        "actual_hours": 1.0,
        "expected_hours": 1.0,
        "low_hours": 0.7,
        "high_hours": 1.5,
    }
    return FinishedJob(**{**facts, **changes})


def dollars(text: str) -> Decimal:
    return Decimal(text)
