"""What an administrator sets for the whole organisation. Stored as one small document, of which other parts may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chalicelib.domain.pause import KEPT_DAYS
from chalicelib.domain.plan_cost import CAP_FACTOR
from chalicelib.domain.queue import DEFAULT_LIMIT

DOCUMENT = "organisation"


@dataclass(frozen=True, slots=True)
class Organisation:
    """default_cap_factor: a job's spend cap, unless one is given, as a multiple of its upper estimate.
    pause_kept_days: how long a paused job can be resumed; then its checkpoints go and it ends."""

    concurrency_limit: int = DEFAULT_LIMIT
    default_cap_factor: Decimal = CAP_FACTOR
    pause_kept_days: int = KEPT_DAYS


def from_document(document: Mapping[str, Any] | None) -> Organisation:
    """Defaults for whatever was never set."""
    stored = document or {}
    return Organisation(
        int(stored.get("concurrency_limit", DEFAULT_LIMIT)),
        Decimal(str(stored.get("default_cap_factor", CAP_FACTOR))),
        int(stored.get("pause_kept_days", KEPT_DAYS)),
    )


def as_document(organisation: Organisation) -> dict[str, Any]:
    return {
        "concurrency_limit": organisation.concurrency_limit,
        "default_cap_factor": str(organisation.default_cap_factor),
        "pause_kept_days": organisation.pause_kept_days,
    }
