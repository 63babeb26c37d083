"""Attempts: one row per pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import AttemptItem
from chalicelib.domain.attempt import Attempt


@d.translating
class DynamoAttempts:
    def __init__(self, prefix: str) -> None:
        self._attempts: Any = d.bind(AttemptItem, prefix)

    def get(self, job_id: str, number: int) -> Attempt | None:
        found: Attempt | None = d.fetch(self._attempts, Attempt, job_id, number)
        return found

    def of_job(self, job_id: str) -> Sequence[Attempt]:
        return [d.load(Attempt, row.document) for row in self._attempts.query(job_id, consistent_read=True)]

    def save(self, after: Attempt, *, expected: Attempt | None) -> Attempt:
        return d.save(
            self._attempts, after, expected, lambda row: {"job_id": row.job_id, "number": row.number}
        )
