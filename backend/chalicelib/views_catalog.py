"""Catalogue, configurations and estimates as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain import base_models, catalogue, hyperparameters, presets, track_record
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.configuration import Configuration, Hyperparameters
from chalicelib.domain.cost import cents
from chalicelib.domain.estimate import BudgetImpact, Estimate, TierCost, UsdRange
from chalicelib.domain.gpu import Tier
from chalicelib.domain.presets import Preset
from chalicelib.domain.track_record import FinishedJob

_TIER_NAMES = {Tier.SPOT: "Spot", Tier.ON_DEMAND: "On-Demand"}


def usd(amount: Decimal) -> str:
    """Dollars and cents, half up."""
    return str(cents(amount))


def iso(at: datetime) -> str:
    """UTC to the second with Z."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def hyperparameters_json(values: Hyperparameters) -> dict[str, Any]:
    return {**asdict(values), "target_modules": list(values.target_modules)}


def configuration_json(configuration: Configuration) -> dict[str, Any]:
    """The `configuration` object of jobs and models."""
    gpu = configuration.gpu
    model = base_models.find(configuration.base_model_id)
    model_name = configuration.base_model_id if model is None else model.name
    preset_name = presets.name_of(configuration.preset_id)
    count = f"{gpu.count}× " if gpu.count > 1 else ""
    return {
        "preset_id": configuration.preset_id,
        "preset_name": preset_name,
        "hyperparameters": hyperparameters_json(configuration.hyperparameters),
        "gpu": {"type": gpu.type, "name": gpu.name, "count": gpu.count, "tier": gpu.tier.value},
        "base_model": {"id": configuration.base_model_id, "name": model_name},
        "quantization": configuration.quantization,
        "seed": configuration.seed,
        "export_merged": configuration.export_merged,
        "summary": f"{preset_name} • {_TIER_NAMES[gpu.tier]} {count}{gpu.name} • {model_name}",
    }


def catalog_json(
    cards: Sequence[GpuCard], record: Sequence[FinishedJob], person_id: str, local_models: bool
) -> dict[str, Any]:
    """contracts/examples/catalog.json; presets carry the organisation's own history."""
    limits = {**hyperparameters.LIMITS, "gpu_count": hyperparameters.GPU_COUNT_LIMIT}
    successes = track_record.successes_of(record, person_id)
    return {
        "presets": [_preset(preset, record, successes) for preset in presets.PRESETS],
        "hyperparameter_limits": {
            name: {"min": limit.min, "max": limit.max} for name, limit in limits.items()
        },
        "hyperparameter_help": dict(hyperparameters.HELP),
        "gpus": [_gpu(card) for card in cards],
        "default_gpu": _default_gpu(cards),
        "base_models": [_base_model(model) for model in base_models.offered(local_models)],
        "tags": list(catalogue.TAGS),
        "clients": [],
        "cancellation_reasons": [
            {"id": reason, "label": label} for reason, label in catalogue.CANCELLATION_REASONS
        ],
        "promotion_reasons": [
            {"id": reason, "label": label} for reason, label in catalogue.PROMOTION_REASONS
        ],
    }


def _default_gpu(cards: Sequence[GpuCard]) -> str:
    """The usual default, or the first type that can be had when the provider lacks it."""
    offered = [card.type.id for card in cards if card.offered]
    return catalogue.DEFAULT_GPU if catalogue.DEFAULT_GPU in offered or not offered else offered[0]


def _preset(preset: Preset, record: Sequence[FinishedJob], successes: int) -> dict[str, Any]:
    completed, failed = track_record.success_counts(record, preset.id)
    enough = completed + failed >= track_record.LEAST_CASES
    unlocked = presets.is_unlocked(preset, successes=successes, conversations=None)
    return {
        "id": preset.id,
        "name": preset.name,
        "description": preset.description,
        "recommended_use": preset.recommended_use,
        "risk": asdict(preset.risk),
        "hyperparameters": hyperparameters_json(preset.hyperparameters),
        "history": {
            "completed": completed,
            "failed": failed,
            "success_rate": round(completed / (completed + failed), 3) if enough else None,
        },
        "unlock": None
        if unlocked
        else {
            "message": presets.UNLOCK_SENTENCE,
            "successful_jobs": successes,
            "needed_jobs": presets.UNLOCK_AFTER_SUCCESSES,
            "or_conversations_above": presets.UNLOCK_ABOVE_CONVERSATIONS,
        },
    }


def _gpu(card: GpuCard) -> dict[str, Any]:
    def price(tier: Tier) -> dict[str, str] | None:
        known = card.prices.get(tier)
        return None if known is None else {"usd_per_hour": usd(known.usd_per_hour), "source": known.source}

    return {
        "type": card.type.id,
        "name": card.type.name,
        "memory_gb": card.type.memory_gb,
        "available": card.offered,
        "availability": card.availability,
        "note": card.type.note if card.offered else "Not offered by the provider",
        "max_count": card.max_count,
        "prices": {tier.value: price(tier) for tier in Tier},
        "priced_at": None if card.priced_at is None else iso(card.priced_at),
    }


def _base_model(model: BaseModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "hub_id": model.hub_id,
        "revision": model.revision,
        "parameters": model.parameters,
        "context_length": model.context_length,
        "license": model.license,
        "license_accept_required": model.license_accept_required,
        "local": model.local,
        "available": True,
        "note": model.note,
    }


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """contracts/examples/estimate_reply.json; also the `estimate` of a job."""
    hours, memory, accuracy = estimate.duration_hours, estimate.memory, estimate.accuracy
    return {
        "model_version": estimate.model_version,
        "duration_hours": {
            "low": round(hours.low, 3),
            "expected": round(hours.expected, 3),
            "high": round(hours.high, 3),
        },
        "cost_usd": _range(estimate.cost_usd),
        "hourly_rate_usd": usd(estimate.hourly_rate_usd),
        "total_steps": estimate.total_steps,
        "steps_per_epoch": estimate.steps_per_epoch,
        "throughput_tokens_per_second": estimate.throughput_tokens_per_second,
        "training_tokens": estimate.training_tokens,
        "breakdown": [{**asdict(row), "usd": usd(row.usd)} for row in estimate.breakdown],
        "tiers": _tiers(estimate.tiers),
        "memory": {
            "fits": memory.fits,
            "needed_gb": memory.needed_gb,
            "available_gb": memory.available_gb,
            "message": memory.message,
        },
        "accuracy": asdict(accuracy),
        "spend_cap_usd": usd(estimate.spend_cap_usd),
        "warnings": [asdict(notice) for notice in estimate.warnings],
        "eligible": estimate.eligible,
        "blockers": [asdict(notice) for notice in estimate.blockers],
        "estimated_completion_at": iso(estimate.estimated_completion_at),
        "budget": None if estimate.budget is None else _impact(estimate.budget),
    }


def _impact(impact: BudgetImpact) -> dict[str, Any]:
    return {
        "limit_usd": usd(impact.limit_usd),
        "month_to_date_usd": usd(impact.month_to_date_usd),
        "reserved_usd": usd(impact.reserved_usd),
        "remaining_usd": usd(impact.remaining_usd),
        "projected_usd": usd(impact.projected_usd),
        "projected_percent": impact.projected_percent,
        "active_jobs": impact.active_jobs,
        "level": impact.level,
        "message": impact.message,
    }


def _range(amounts: UsdRange) -> dict[str, str]:
    return {"low": usd(amounts.low), "expected": usd(amounts.expected), "high": usd(amounts.high)}


def _tiers(costs: Sequence[TierCost]) -> dict[str, Any]:
    """Both tiers (null where the provider has none) and what spot saves; savings are null without both."""
    by_tier = {cost.tier: cost for cost in costs}
    shown: dict[str, Any] = {
        tier.value: None
        if tier not in by_tier
        else {
            "hourly_rate_usd": usd(by_tier[tier].hourly_rate_usd),
            "cost_usd": _range(by_tier[tier].cost_usd),
        }
        for tier in Tier
    }
    savings = percent = None
    if len(by_tier) == len(Tier):
        dearer = by_tier[Tier.ON_DEMAND].cost_usd.expected
        saved = dearer - by_tier[Tier.SPOT].cost_usd.expected
        savings, percent = usd(saved), (round(100 * saved / dearer) if dearer else 0)
    return {**shown, "savings_usd": savings, "savings_percent": percent}
