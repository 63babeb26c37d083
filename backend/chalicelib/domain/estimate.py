"""What a job will take and cost, before it starts. Formulas and their sources: docs/estimates.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.gpu import Tier

MODEL_VERSION = "tokens-throughput-2"


@dataclass(frozen=True, slots=True)
class Hours:
    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class UsdRange:
    low: Decimal
    expected: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """share: of the expected total, 0..1."""

    id: str
    label: str
    usd: Decimal
    detail: str
    share: float


@dataclass(frozen=True, slots=True)
class TierCost:
    """The same job in one tier. hourly_rate_usd is for the whole pod, all GPUs."""

    tier: Tier
    hourly_rate_usd: Decimal
    cost_usd: UsdRange


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """Per GPU. micro_batch_size: rows per forward pass; the effective batch stays as configured."""

    fits: bool
    needed_gb: float
    available_gb: int
    micro_batch_size: int
    message: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How past estimates did on completed jobs; the percentages are None without any."""

    sample_size: int
    mean_error_percent: float | None
    within_range_percent: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Notice:
    """level: warning (may go on) or info. code is the machine word."""

    level: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BudgetImpact:
    """This month's budget with the job's cap reserved. remaining_usd: before the job, projected_usd: with it.

    level: ok, grace (above the limit, within the grace), over (would be refused).
    """

    limit_usd: Decimal
    month_to_date_usd: Decimal
    reserved_usd: Decimal
    remaining_usd: Decimal
    projected_usd: Decimal
    projected_percent: float
    active_jobs: int
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Frozen into the job when it starts. hourly_rate_usd is for the whole pod in the chosen tier."""

    model_version: str
    estimated_at: datetime
    duration_hours: Hours
    cost_usd: UsdRange
    hourly_rate_usd: Decimal
    total_steps: int
    steps_per_epoch: int
    throughput_tokens_per_second: float
    training_tokens: int
    breakdown: tuple[BreakdownRow, ...]
    tiers: tuple[TierCost, ...]
    memory: MemoryFit
    accuracy: Accuracy
    spend_cap_usd: Decimal
    warnings: tuple[Notice, ...]
    blockers: tuple[Notice, ...]
    estimated_completion_at: datetime
    budget: BudgetImpact | None = None

    @property
    def eligible(self) -> bool:
        return not self.blockers
