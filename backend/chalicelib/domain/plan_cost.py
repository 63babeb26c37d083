"""From a configuration and a workload to the full estimate: hours, money in both tiers, memory, cap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

from chalicelib.domain import memory, notices, workload
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.configuration import Configuration
from chalicelib.domain.estimate import (
    MODEL_VERSION,
    Accuracy,
    BreakdownRow,
    Estimate,
    Hours,
    Notice,
    TierCost,
    UsdRange,
)
from chalicelib.domain.gpu import Tier
from chalicelib.domain.track_record import Correction
from chalicelib.domain.training_memory import adapter_parameters
from chalicelib.domain.workload import Workload

CAP_FACTOR = Decimal("1.2")
# Below this a cap would end small jobs over a slow start rather than over money.
LEAST_CAP_USD = Decimal("1.00")
RECOVERY_HOURS = Decimal("0.25")
# A local model is loaded again within a minute.
LOCAL_RECOVERY_HOURS = Decimal("0.02")
HOURS_PER_INTERRUPTION_RISK = 8
STORAGE_USD_PER_GB_MONTH = Decimal("0.023")
TRANSFER_USD_PER_GB = Decimal("0.09")
_CHECKPOINTS_KEPT = 3
_BYTES_PER_ADAPTER_PARAMETER = 4
_OPTIMIZER_BYTES_PER_PARAMETER = {"nf4": 2, "none": 8}
_GB = Decimal(10**9)
_PRECISION = Decimal("0.0001")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be estimated. interruption_probability: of one spot pod within eight hours."""

    configuration: Configuration
    model: BaseModel
    card: GpuCard
    work: Workload
    correction: Correction
    interruption_probability: float
    accuracy: Accuracy
    cap_factor: Decimal = CAP_FACTOR


def estimate(plan: Plan, extra_warnings: list[Notice], blockers: list[Notice], now: datetime) -> Estimate:
    """The whole estimate; `plan.card` must offer the configured tier."""
    wanted = plan.configuration
    gpu = wanted.gpu
    hours = _hours(plan)
    fit = memory.fit(plan.model, wanted.hyperparameters, wanted.quantization, plan.card.type.memory_gb)
    costs = tuple(_tier_cost(plan, hours, tier) for tier in Tier if tier in plan.card.prices)
    chosen = next(cost for cost in costs if cost.tier is gpu.tier)
    used = workload.gpus_used(plan.work, plan.model, gpu.count)
    speed = workload.tokens_per_second(plan.model, plan.card.type, used) / plan.correction.factor
    if not fit.fits:
        blockers = [*blockers, Notice("blocker", "out_of_memory", fit.message)]
    return Estimate(
        model_version=MODEL_VERSION,
        estimated_at=now,
        duration_hours=hours,
        cost_usd=chosen.cost_usd,
        hourly_rate_usd=chosen.hourly_rate_usd,
        total_steps=plan.work.total_steps,
        steps_per_epoch=plan.work.steps_per_epoch,
        throughput_tokens_per_second=round(speed, 1),
        training_tokens=plan.work.training_tokens,
        breakdown=_breakdown(plan, hours, chosen),
        tiers=costs,
        memory=fit,
        accuracy=plan.accuracy,
        spend_cap_usd=default_cap(chosen.cost_usd.high, plan.cap_factor),
        warnings=(
            *extra_warnings,
            *notices.warnings(gpu.tier, hours, costs, plan.card, fit),
            *notices.about_gpus(gpu.count, plan.work, plan.model),
        ),
        blockers=tuple(blockers),
        estimated_completion_at=now + timedelta(hours=hours.expected),
    )


def default_cap(high_usd: Decimal, factor: Decimal = CAP_FACTOR) -> Decimal:
    """1.2 (or what the organisation sets) x the upper estimate, rounded up to a cent, at least a dollar."""
    return max(LEAST_CAP_USD, (factor * high_usd).quantize(_CENT, ROUND_UP))


def _hours(plan: Plan) -> Hours:
    gpu = plan.configuration.gpu
    merged = plan.configuration.export_merged
    prior = workload.prior_seconds(plan.work, plan.model, plan.card.type, gpu.count, merged) / 3600
    expected = prior * plan.correction.factor
    return Hours(expected * plan.correction.low, expected, expected * plan.correction.high)


def _tier_cost(plan: Plan, hours: Hours, tier: Tier) -> TierCost:
    rate = plan.card.prices[tier].usd_per_hour * plan.configuration.gpu.count
    low, expected, high = (_total(plan, each, rate, tier) for each in (hours.low, hours.expected, hours.high))
    return TierCost(tier, rate, UsdRange(low, expected, high))


def _total(plan: Plan, hours: float, rate: Decimal, tier: Tier) -> Decimal:
    parts = _compute(hours, rate) + _interruptions(plan, hours, rate, tier) + _storage(plan)
    return parts.quantize(_PRECISION, ROUND_HALF_UP)


def _compute(hours: float, rate: Decimal) -> Decimal:
    return Decimal(str(hours)) * rate


def _interruptions(plan: Plan, hours: float, rate: Decimal, tier: Tier) -> Decimal:
    """CEIL(hours / 8) x probability x 15 minutes of recovery; nothing for on-demand."""
    if tier is not Tier.SPOT:
        return Decimal(0)
    risks = math.ceil(hours / HOURS_PER_INTERRUPTION_RISK)
    recovery_hours = LOCAL_RECOVERY_HOURS if plan.model.local else RECOVERY_HOURS
    return risks * Decimal(str(plan.interruption_probability)) * recovery_hours * rate


def _stored_gb(plan: Plan) -> tuple[Decimal, Decimal]:
    """(kept for a month, downloaded once): the adapter and the merged model, and the checkpoints beside them."""
    wanted = plan.configuration
    values = wanted.hyperparameters
    count = adapter_parameters(plan.model.shape, values.rank, values.target_modules)
    adapter = count * _BYTES_PER_ADAPTER_PARAMETER
    checkpoint = adapter + count * _OPTIMIZER_BYTES_PER_PARAMETER.get(wanted.quantization, 8)
    result = adapter + (workload.merged_bytes(plan.model) if wanted.export_merged else 0)
    return (result + _CHECKPOINTS_KEPT * checkpoint) / _GB, result / _GB


def _storage(plan: Plan) -> Decimal:
    kept, downloaded = _stored_gb(plan)
    return kept * STORAGE_USD_PER_GB_MONTH + downloaded * TRANSFER_USD_PER_GB


def _breakdown(plan: Plan, hours: Hours, chosen: TierCost) -> tuple[BreakdownRow, ...]:
    rate, total = chosen.hourly_rate_usd, chosen.cost_usd.expected

    def row(row_id: str, label: str, usd: Decimal, detail: str) -> BreakdownRow:
        share = float(usd / total) if total else 0.0
        return BreakdownRow(row_id, label, usd.quantize(_PRECISION, ROUND_HALF_UP), detail, round(share, 4))

    time = f"{hours.expected:.2f} hours" if hours.expected >= 0.1 else f"{hours.expected * 60:.1f} minutes"
    rows = [row("compute", "GPU Compute", _compute(hours.expected, rate), f"{time} × ${rate:.2f}/hr")]
    if chosen.tier is Tier.SPOT:
        buffer = _interruptions(plan, hours.expected, rate, chosen.tier)
        rows.append(row("interruptions", "Spot Interruption Buffer", buffer, "estimated recovery time"))
    kept, _ = _stored_gb(plan)
    size = f"{kept:.1f} GB kept" if kept >= Decimal("0.1") else f"{max(1, round(kept * 1000))} MB kept"
    rows.append(row("storage", "Storage & Transfer", _storage(plan), size))
    return tuple(rows)
