"""A pod that must go and is not gone yet: worked by the sweeper until the provider stops listing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Termination:
    pod_name: str
    pod_id: str
    job_id: str | None
    since: datetime
    reason: str
    alerted: bool = False
