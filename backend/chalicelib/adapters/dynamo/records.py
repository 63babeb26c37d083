"""Costs, budget, audit log, open terminations, and small documents by name."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import AuditItem, CostItem, SettingItem, TerminationItem
from chalicelib.domain.budget import Budget
from chalicelib.domain.cost import CostRecord, months_between
from chalicelib.domain.termination import Termination


def _instant(at: datetime) -> str:
    """Sorts as text: UTC, with an offset that comes before any fraction of a second."""
    return at.astimezone(UTC).isoformat()


@d.translating
class DynamoCosts:
    def __init__(self, prefix: str) -> None:
        self._costs: Any = d.bind(CostItem, prefix)

    def put(self, record: CostRecord) -> None:
        self._costs(
            job_id=record.job_id,
            key=record.key,
            month=record.month,
            at=_instant(record.at),
            document=d.dump(record),
        ).save()

    def of_job(self, job_id: str) -> Sequence[CostRecord]:
        rows = self._costs.query(job_id, consistent_read=True)
        return [d.load(CostRecord, row.document) for row in rows]

    def between(self, start: datetime, end: datetime) -> Sequence[CostRecord]:
        since, until = _instant(start), _instant(end)
        found = [
            d.load(CostRecord, row.document)
            for month in months_between(start, end)
            for row in self._costs.by_month.query(month, self._costs.at.between(since, until))
        ]
        return sorted(
            (line for line in found if line.at < end), key=lambda line: (line.at, line.job_id, line.key)
        )


@d.translating
class DynamoBudgets:
    def __init__(self, prefix: str) -> None:
        self._settings: Any = d.bind(SettingItem, prefix)

    def get(self) -> Budget:
        found: Budget | None = d.fetch(self._settings, Budget, "budget")
        return found or Budget()

    def save(self, after: Budget, *, expected: Budget) -> Budget:
        known = None if expected.version == 0 else expected
        return d.save(self._settings, after, known, lambda _: {"name": "budget"})


@d.translating
class DynamoAuditLog:
    def __init__(self, prefix: str) -> None:
        self._log: Any = d.bind(AuditItem, prefix)

    def record(
        self,
        *,
        at: datetime,
        actor_id: str,
        action: str,
        subject: str,
        details: Mapping[str, Any],
        outcome: str = "success",
    ) -> None:
        line = {
            "at": at.isoformat(),
            "actor_id": actor_id,
            "action": action,
            "subject": subject,
            "details": dict(details),
            "outcome": outcome,
        }
        self._log(
            subject=subject,
            key=f"{at.isoformat()}#{secrets.token_hex(4)}",
            month=at.strftime("%Y-%m"),
            document=json.dumps(line, default=str),
        ).save()


@d.translating
class DynamoTerminations:
    def __init__(self, prefix: str) -> None:
        self._terminations: Any = d.bind(TerminationItem, prefix)

    def add(self, termination: Termination) -> None:
        self._terminations(state="open", pod_name=termination.pod_name, document=d.dump(termination)).save()

    def open(self) -> Sequence[Termination]:
        return [d.load(Termination, row.document) for row in self._terminations.query("open")]

    def close(self, termination: Termination) -> None:
        self._terminations(state="open", pod_name=termination.pod_name).delete()


@d.translating
class DynamoSettings:
    def __init__(self, prefix: str) -> None:
        self._settings: Any = d.bind(SettingItem, prefix)

    def get(self, name: str) -> Mapping[str, Any] | None:
        try:
            row = self._settings.get(name, consistent_read=True)
        except self._settings.DoesNotExist:
            return None
        document: Mapping[str, Any] = json.loads(row.document)
        return document

    def put(self, name: str, document: Mapping[str, Any]) -> None:
        self._settings(name=name, document=json.dumps(document, default=str)).save()

    def save(self, name: str, after: Mapping[str, Any], *, expected: Mapping[str, Any] | None) -> None:
        # These items carry no version that counts; what was read is dumped to the very text it was read from.
        unchanged = (
            self._settings.name.does_not_exist()
            if expected is None
            else self._settings.document == json.dumps(expected)
        )
        row = self._settings(name=name, document=json.dumps(after, default=str))
        row.save(condition=unchanged, add_version_condition=False)
