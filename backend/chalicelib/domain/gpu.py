"""What can be rented: pods as the provider shows them, offers, candidates, names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Tier(StrEnum):
    SPOT = "spot"
    ON_DEMAND = "on_demand"


class PodStatus(StrEnum):
    """Words of RunPod REST v2. UNKNOWN: a word this version does not know; never treated as gone."""

    PROVISIONING = "PROVISIONING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    EXITED = "EXITED"
    ERROR = "ERROR"
    TERMINATED = "TERMINATED"
    UNKNOWN = "UNKNOWN"


BILLING_STATUSES = frozenset(
    {PodStatus.PROVISIONING, PodStatus.STARTING, PodStatus.RUNNING, PodStatus.UNKNOWN}
)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as listed. price_usd_per_hour is for the whole pod, as billed now (0 when not billed)."""

    id: str
    name: str
    status: PodStatus
    price_usd_per_hour: Decimal
    gpu_id: str | None = None
    gpu_count: int = 1
    tier: Tier | None = None
    data_center_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    uptime_seconds: int | None = None

    @property
    def is_billed(self) -> bool:
        return self.status in BILLING_STATUSES


@dataclass(frozen=True, slots=True)
class PodRequest:
    """One create call: one GPU type, one tier, at most a few data centres (empty: any)."""

    name: str
    image: str
    gpu_id: str
    gpu_count: int
    tier: Tier
    env: Mapping[str, str]
    disk_gb: int = 50
    data_center_ids: tuple[str, ...] = ()
    network_volume_id: str | None = None
    min_cuda_version: str | None = "13.0"
    args: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where to try next, in order of preference."""

    gpu_id: str
    tier: Tier
    data_center_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuOffer:
    """A GPU type in the provider's catalogue. Prices are per GPU and hour; None: not offered in that tier."""

    gpu_id: str
    name: str
    memory_gb: int
    price_usd_per_hour: Mapping[Tier, Decimal | None]
    max_count: Mapping[Tier, int]
    availability: str = "NONE"  # NONE, LOW, MEDIUM, HIGH
    data_center_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PodBill:
    """What the provider billed for one pod so far."""

    pod_id: str
    total_usd: Decimal
    billed_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the provider can do; the UI offers only that."""

    tiers: frozenset[Tier] = field(default_factory=lambda: frozenset(Tier))
    interruptible_bids: bool = False
    server_side_time_limit: bool = False


_POD_NAME = re.compile(
    r"^(?P<prefix>.+)-(?P<job>job_[0-9a-z]{16})-a(?P<attempt>[0-9]+)-(?P<fence>[0-9a-f]{8})$"
)


@dataclass(frozen=True, slots=True)
class PodName:
    """`{deployment}-{job_id}-a{attempt}-{fence}`: says whose pod it is with no record at hand."""

    deployment: str
    job_id: str
    attempt: int
    fence: str

    def __str__(self) -> str:
        return f"{self.deployment}-{self.job_id}-a{self.attempt}-{self.fence}"

    @classmethod
    def parse(cls, name: str) -> PodName | None:
        """None when the name is not one of ours."""
        match = _POD_NAME.match(name)
        if match is None:
            return None
        return cls(match["prefix"], match["job"], int(match["attempt"]), match["fence"])
