"""The ports of money; `ports.py` names them with all the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.budget import Budget
from chalicelib.domain.cost import CostRecord


class CostStore(Protocol):
    def put(self, record: CostRecord) -> None:
        """Keyed by job and `key`: writing the same one again changes nothing, writing another amount corrects it."""
        ...

    def of_job(self, job_id: str) -> Sequence[CostRecord]: ...

    def between(self, start: datetime, end: datetime) -> Sequence[CostRecord]:
        """Lines dated in [start, end), oldest first, ties by job and key. A line written this second may be missing."""
        ...


class BudgetStore(Protocol):
    """The one row of the organisation's budget."""

    def get(self) -> Budget:
        """An empty one, version 0, before it was ever saved."""
        ...

    def save(self, after: Budget, *, expected: Budget) -> Budget: ...
