"""Where to rent: the asked GPU first, then what else would do, never dearer than the job may pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from chalicelib.domain.configuration import GpuChoice
from chalicelib.domain.gpu import Candidate, GpuOffer, Tier

# A stand-in GPU may cost at most this much more per hour than the one asked for; its cap still holds.
_DEARER_BY_AT_MOST = Decimal("1.5")
_SUPPLY = {"HIGH": 3, "MEDIUM": 2, "LOW": 1, "NONE": 0}


def candidates(
    choice: GpuChoice,
    offers: Sequence[GpuOffer],
    *,
    avoid_data_centers: frozenset[str] = frozenset(),
) -> tuple[Candidate, ...]:
    """In order of trying.

    1. the asked GPU in the asked tier, 2. the same GPU in the other tier, 3. other GPUs with at least its memory in the
    asked tier, cheapest first. 2 and 3 only up to 1.5 times the asked price. With no offers known: 1. A run that goes on
    from a checkpoint keeps its weights to the last bit on the same GPU type alone, which is why that comes first.

    avoid_data_centers: where the job's pods were lost; the asked GPU is tried elsewhere first.
    """
    asked = Candidate(choice.type, choice.tier)
    known = {offer.gpu_id: offer for offer in offers}
    mine = known.get(choice.type)
    price = None if mine is None else mine.price_usd_per_hour.get(choice.tier)
    if mine is None or price is None:
        return (asked,)
    ceiling = price * _DEARER_BY_AT_MOST
    other_tier = Tier.ON_DEMAND if choice.tier is Tier.SPOT else Tier.SPOT
    found = [*_elsewhere(asked, mine, avoid_data_centers), asked]
    if _fits(mine, other_tier, choice.count, ceiling):
        found.append(Candidate(choice.type, other_tier))
    others = [
        offer
        for offer in offers
        if offer.gpu_id != choice.type
        and offer.memory_gb >= mine.memory_gb
        and _fits(offer, choice.tier, choice.count, ceiling)
    ]
    others.sort(
        key=lambda offer: (offer.price_usd_per_hour[choice.tier], -_SUPPLY.get(offer.availability, 0))
    )
    found.extend(Candidate(offer.gpu_id, choice.tier) for offer in others[:3])
    return tuple(found)


def _elsewhere(asked: Candidate, offer: GpuOffer, avoided: frozenset[str]) -> list[Candidate]:
    """The same GPU in the other data centres, where some are to be avoided and others are known."""
    left = tuple(each for each in offer.data_center_ids if each not in avoided)
    return [replace(asked, data_center_ids=left)] if avoided and left else []


def _fits(offer: GpuOffer, tier: Tier, count: int, ceiling: Decimal) -> bool:
    price = offer.price_usd_per_hour.get(tier)
    return price is not None and price <= ceiling and offer.max_count.get(tier, 0) >= count


def listed_usd(candidate: Candidate, count: int, offers: Sequence[GpuOffer]) -> Decimal:
    """Per hour for the whole pod, by the provider's list; 0 when the list does not say."""
    rates = {offer.gpu_id: offer.price_usd_per_hour.get(candidate.tier) for offer in offers}
    return (rates.get(candidate.gpu_id) or Decimal(0)) * count
