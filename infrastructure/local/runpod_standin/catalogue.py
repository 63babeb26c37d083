"""GPU types for rent: prices, stock, and where a pod is placed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

SECURE = "SECURE"
COMMUNITY = "COMMUNITY"
TIER_OF_CLOUD = {COMMUNITY: "spot", SECURE: "on_demand"}
CUDA_VERSION = "13.0"
_LEVELS = ("NONE", "LOW", "MEDIUM", "HIGH")


@dataclass(frozen=True, slots=True)
class GpuKind:
    """One GPU type as the catalogue file states it. Prices are dollars per GPU and hour, before factors."""

    id: str
    facts: Mapping[str, Any]

    def offered_on(self, cloud: str) -> bool:
        return bool(self.facts[cloud.lower()])

    def list_price_usd(self, cloud: str) -> Decimal:
        return Decimal(str(self.facts["price"][cloud.lower()]))

    def max_count(self, cloud: str) -> int:
        return int(self.facts["maxCount"][cloud.lower()])

    def availability(self, cloud: str) -> str:
        level = self.facts["availability"][cloud]
        return level if level in _LEVELS and self.offered_on(cloud) else "NONE"

    def place(self, cloud: str, count: int, wanted_data_centers: Sequence[str]) -> str | None:
        """The data centre a pod would run in; None: no instances with these specifications."""
        if self.availability(cloud) == "NONE" or not 1 <= count <= self.max_count(cloud):
            return None
        for center in self.facts["dataCenters"]:
            if center["availability"] != "NONE" and (
                not wanted_data_centers or center["id"] in wanted_data_centers
            ):
                return str(center["id"])
        return None

    def view(self, factor: Decimal, cloud: str | None) -> dict[str, Any]:
        """GpuType of the API. `cloud` None: without the parts that include=AVAILABILITY asks for."""
        shown: dict[str, Any] = {
            "id": self.id,
            "name": self.facts["name"],
            "pool": self.facts.get("pool"),
            "manufacturer": self.facts.get("manufacturer", "NVIDIA"),
            "memory": self.facts["memory"],
            "secure": self.offered_on(SECURE),
            "community": self.offered_on(COMMUNITY),
            "price": {
                name: float(Decimal(str(price)) * factor) for name, price in self.facts["price"].items()
            },
            "maxCount": {name: int(count) for name, count in self.facts["maxCount"].items()},
        }
        if cloud is not None:
            available = self.availability(cloud) != "NONE"
            shown["availability"] = self.availability(cloud)
            shown["dataCenters"] = [dict(center) for center in self.facts["dataCenters"]] if available else []
            shown["cudaVersions"] = [{"version": CUDA_VERSION, "available": available}]
        return shown


def load(path: Path | None) -> dict[str, GpuKind]:
    """Reads a catalogue file, the built-in one without a path. KeyError names a field that is missing."""
    source = path or Path(__file__).with_name("catalogue.json")
    kinds = json.loads(source.read_text())["gpus"]
    return {str(facts["id"]): GpuKind(str(facts["id"]), facts) for facts in kinds}
