"""Reads the provider's price list into our own store, and gives readers the GPU cards made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain import catalogue
from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.gpu import GpuOffer, Tier
from chalicelib.ports import GpuCloud, SettingsStore

DOCUMENT = "prices"
# Stock changes by the minute; an older reading says nothing about now. Prices hold much longer.
AVAILABILITY_HOLDS = timedelta(hours=1)


def refresh_catalog(*, cloud: GpuCloud, documents: SettingsStore, now: datetime) -> int:
    """Stores the provider's offers; returns how many. ProviderError passes through and leaves the last list
    as it is.

    An empty list is not stored: a provider with nothing at all to sell is a broken reply.
    """
    offers = cloud.catalogue()
    if offers:
        # As one JSON text, so that no store changes the numbers.
        documents.put(
            DOCUMENT, {"at": now.isoformat(), "offers": json.dumps([_row(offer) for offer in offers])}
        )
    return len(offers)


def current_cards(documents: SettingsStore, now: datetime) -> tuple[GpuCard, ...]:
    """Every GPU type of the catalogue with the last known prices, or fallback prices before the first
    reading.
    """
    document = documents.get(DOCUMENT)
    if document is None:
        return catalogue.priced(None, None)
    fetched_at = datetime.fromisoformat(document["at"])
    cards = catalogue.priced([_offer(row) for row in json.loads(document["offers"])], fetched_at)
    if now - fetched_at <= AVAILABILITY_HOLDS:
        return cards
    return tuple(replace(card, availability="UNKNOWN") if card.offered else card for card in cards)


def _row(offer: GpuOffer) -> dict[str, Any]:
    return {
        "id": offer.gpu_id,
        "name": offer.name,
        "memory_gb": offer.memory_gb,
        "prices": {
            tier.value: None if usd is None else str(usd) for tier, usd in offer.price_usd_per_hour.items()
        },
        "max_count": {tier.value: count for tier, count in offer.max_count.items()},
        "availability": offer.availability,
        "data_center_ids": list(offer.data_center_ids),
    }


def _offer(row: Mapping[str, Any]) -> GpuOffer:
    return GpuOffer(
        gpu_id=row["id"],
        name=row["name"],
        memory_gb=row["memory_gb"],
        price_usd_per_hour={
            Tier(tier): None if usd is None else Decimal(usd) for tier, usd in row["prices"].items()
        },
        max_count={Tier(tier): count for tier, count in row["max_count"].items()},
        availability=row["availability"],
        data_center_ids=tuple(row["data_center_ids"]),
    )
