"""GPU types and the other fixed lists of the new-job page; live prices are laid over the GPUs.

Ids are the provider's own. Peaks are dense bf16 tensor FLOP/s of the vendors' data sheets (fp16 for V100,
which has no bf16). Fallback prices are used only until the provider's own list has been read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.gpu import GpuOffer, Tier

DEFAULT_GPU = "NVIDIA H100 PCIe"
TAGS = (
    "experiment",
    "production",
    "client-delivery",
    "test",
    "poc",
    "research",
    "optimization",
    "validation",
    "baseline",
    "iteration-1",
    "iteration-2",
    "high-priority",
    "low-priority",
    "approved",
    "needs-review",
)

LIVE, FALLBACK = "live", "fallback"


@dataclass(frozen=True, slots=True)
class GpuType:
    """Prices per GPU and hour in USD as (spot, on_demand); None: never offered in that tier."""

    id: str
    name: str
    memory_gb: int
    peak_tflops: float
    fallback_usd: tuple[str | None, str | None]
    note: str | None = None

    def fallback_price(self, tier: Tier) -> Decimal | None:
        text = self.fallback_usd[0 if tier is Tier.SPOT else 1]
        return None if text is None else Decimal(text)


GPU_TYPES: tuple[GpuType, ...] = (
    GpuType("NVIDIA H100 PCIe", "H100 PCIe 80GB", 80, 756, ("2.49", "7.99"), "Fastest available"),
    GpuType("NVIDIA H100 80GB HBM3", "H100 SXM 80GB", 80, 989, ("2.69", "3.99"), "Fastest available"),
    GpuType("NVIDIA H100 NVL", "H100 NVL 94GB", 94, 835, ("2.59", "3.19"), "Extra memory"),
    GpuType("NVIDIA H200", "H200 141GB", 141, 989, (None, "4.59"), "For the largest models"),
    GpuType("NVIDIA B200", "B200 180GB", 180, 2250, (None, "6.79"), "For the largest models"),
    GpuType("NVIDIA A100 80GB PCIe", "A100 PCIe 80GB", 80, 312, ("1.19", "3.50"), "Best overall performance"),
    GpuType("NVIDIA A100-SXM4-80GB", "A100 SXM 80GB", 80, 312, ("1.39", "3.50"), "Best overall performance"),
    GpuType("NVIDIA A100-PCIE-40GB", "A100 40GB", 40, 312, (None, "2.80"), "Good for smaller models"),
    GpuType("NVIDIA L40S", "L40S 48GB", 48, 362, ("0.79", "0.86"), "Good for smaller models"),
    GpuType("NVIDIA RTX A6000", "RTX A6000 48GB", 48, 155, ("0.33", "0.49"), "Budget option"),
    GpuType("NVIDIA GeForce RTX 4090", "RTX 4090 24GB", 24, 165, ("0.34", "0.69"), "Small models"),
    GpuType("NVIDIA L4", "L4 24GB", 24, 121, (None, "0.39"), "Small models"),
    GpuType("Tesla V100-PCIE-32GB", "V100 32GB", 32, 125, (None, "2.10"), "Budget option"),
)
_BY_ID: Mapping[str, GpuType] = {gpu.id: gpu for gpu in GPU_TYPES}

CANCELLATION_REASONS: tuple[tuple[str, str], ...] = (
    ("not_improving", "Loss not decreasing / Training not improving"),
    ("too_expensive", "Cost too high / Over budget"),
    ("wrong_configuration", "Wrong configuration / Need to adjust settings"),
    ("testing", "Testing / Learning / Mistake"),
    ("better_job", "Better results from another job"),
    ("client_request", "Client request / Project cancelled"),
    ("other", "Other reason (please specify)"),
)

PROMOTION_REASONS: tuple[tuple[str, str], ...] = (
    ("client_deadline", "Client deadline"),
    ("business_need", "Critical business need"),
    ("urgent_fix", "Testing urgent fix"),
    ("manager_override", "Manager override"),
)


@dataclass(frozen=True, slots=True)
class Price:
    """Per GPU and hour. source: live (the provider's list) or fallback."""

    usd_per_hour: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class GpuCard:
    """A GPU type as it can be chosen now. offered: the provider has the type at all; availability: how
    easily.

    prices holds only the tiers on offer. priced_at: when the provider's list was read; None with fallback
    prices.
    """

    type: GpuType
    offered: bool
    availability: str
    max_count: int
    prices: Mapping[Tier, Price]
    priced_at: datetime | None


def gpu_type(gpu_id: str) -> GpuType | None:
    return _BY_ID.get(gpu_id)


def reason_label(reason_id: str) -> str | None:
    """None for an unknown reason."""
    return dict(CANCELLATION_REASONS).get(reason_id)


def promotion_reason_label(reason_id: str) -> str | None:
    """None for an unknown reason."""
    return dict(PROMOTION_REASONS).get(reason_id)


def priced(offers: Iterable[GpuOffer] | None, fetched_at: datetime | None) -> tuple[GpuCard, ...]:
    """Every known GPU type with what the provider says of it.

    offers None: the provider has not been asked yet, so fallback prices stand in and every type counts as
    offered. Types missing from a real list are kept, not offered, so that the page can show them disabled.
    Types the
    provider has and this catalogue lacks are left out: nothing is known of their speed.
    """
    if offers is None:
        return tuple(_unpriced(gpu) for gpu in GPU_TYPES)
    by_id = {offer.gpu_id: offer for offer in offers}
    return tuple(_card(gpu, by_id.get(gpu.id), fetched_at) for gpu in GPU_TYPES)


def _unpriced(gpu: GpuType) -> GpuCard:
    prices = {tier: Price(usd, FALLBACK) for tier in Tier if (usd := gpu.fallback_price(tier)) is not None}
    return GpuCard(gpu, True, "UNKNOWN", 8, prices, None)


def _card(gpu: GpuType, offer: GpuOffer | None, fetched_at: datetime | None) -> GpuCard:
    live = {} if offer is None else offer.price_usd_per_hour
    prices = {tier: Price(usd, LIVE) for tier in Tier if (usd := live.get(tier)) is not None and usd > 0}
    if offer is None or not prices:
        return GpuCard(gpu, False, "NONE", 0, {}, fetched_at)
    count = max((offer.max_count.get(tier, 0) for tier in prices), default=0)
    return GpuCard(gpu, True, offer.availability, min(8, count), prices, fetched_at)


def card_of(cards: Iterable[GpuCard], gpu_id: str) -> GpuCard | None:
    return next((card for card in cards if card.type.id == gpu_id), None)
