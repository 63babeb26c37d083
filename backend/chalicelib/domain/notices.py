"""What a person should know before they start: warnings they may overrule and advice on the tier."""

from __future__ import annotations

from decimal import Decimal

from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.estimate import Hours, MemoryFit, Notice, TierCost
from chalicelib.domain.gpu import Tier
from chalicelib.domain.workload import SCALING_EFFICIENCY, Workload, gpus_used

HIGH_COST_USD = Decimal(100)
HIGH_ON_DEMAND_USD = Decimal(150)
LONG_HOURS = 24
ON_DEMAND_FROM_HOURS = 20


def warnings(
    tier: Tier, hours: Hours, costs: tuple[TierCost, ...], card: GpuCard, memory: MemoryFit
) -> list[Notice]:
    by_tier = {cost.tier: cost.cost_usd.expected for cost in costs}
    total = by_tier[tier]
    found = _about_money(tier, total, by_tier) + _about_time(hours)
    if card.availability in {"LOW", "NONE"}:
        how = "hard to get" if card.availability == "LOW" else "not available at the moment"
        found.append(
            _warn(
                "low_availability",
                f"{card.type.name} is {how}. The job waits in the queue, at no cost, until one is free.",
            )
        )
    if memory.fits and memory.needed_gb > 0.95 * memory.available_gb:
        found.append(_warn("memory_tight", f"Memory is tight. {memory.message}"))
    return found + _tier_advice(tier, hours, by_tier)


def about_gpus(count: int, work: Workload, model: BaseModel) -> list[Notice]:
    """What more than one GPU brings, and when some of them would have nothing to do."""
    if count == 1:
        return []
    used = gpus_used(work, model, count)
    if used == count:
        times = 1 + SCALING_EFFICIENCY * (used - 1)
        sentence = (
            f"{count} GPUs cost {count} times as much an hour and are expected to train {times:.1f} times as fast "
            "as one. This is assumed until jobs have shown it."
        )
        return [Notice("info", "several_gpus", sentence)]
    cause = (
        "Local models train in one process."
        if model.local
        else f"A step of this job has {_conversations(work.conversations_per_step)}, and a GPU needs at least one."
    )
    sentence = f"{cause} {count} GPUs cost {count} times as much and finish no sooner than {used}."
    return [_warn("extra_gpus_idle", sentence)]


def _conversations(count: int) -> str:
    return "one conversation" if count == 1 else f"{count} conversations"


def _about_money(tier: Tier, total: Decimal, by_tier: dict[Tier, Decimal]) -> list[Notice]:
    found = []
    if total > HIGH_COST_USD:
        found.append(
            _warn(
                "high_cost",
                f"High Cost Job: ${total:.2f} estimated. "
                "Review configuration or consider Conservative preset.",
            )
        )
    if tier is Tier.ON_DEMAND and total > HIGH_ON_DEMAND_USD and Tier.SPOT in by_tier:
        saved = total - by_tier[Tier.SPOT]
        found.append(
            _warn(
                "high_cost_on_demand",
                f"High-Cost On-Demand Instance - Estimated cost: ${total:.2f}. "
                f"Spot instance would save ${saved:.2f}. Are you sure?",
            )
        )
    return found


def _about_time(hours: Hours) -> list[Notice]:
    if hours.expected <= LONG_HOURS:
        return []
    return [_warn("long_run", "Long Training Run: >24 hours. Consider reducing epochs or dataset size.")]


def _tier_advice(tier: Tier, hours: Hours, by_tier: dict[Tier, Decimal]) -> list[Notice]:
    if set(by_tier) != set(Tier):
        return []
    if hours.expected > ON_DEMAND_FROM_HOURS or by_tier[Tier.ON_DEMAND] > HIGH_ON_DEMAND_USD:
        if tier is Tier.SPOT:
            sentence = "Long training run - an on-demand GPU is not meant to be taken away before it ends."
            return [Notice("info", "recommend_on_demand", sentence)]
        return []
    if tier is Tier.ON_DEMAND and by_tier[Tier.SPOT] < by_tier[Tier.ON_DEMAND]:
        return [Notice("info", "recommend_spot", "Spot is a cost-effective choice for most training runs.")]
    return []


def _warn(code: str, message: str) -> Notice:
    return Notice("warning", code, message)
