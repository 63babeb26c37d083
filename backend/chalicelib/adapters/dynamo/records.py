"""Costs, audit log, open terminations, and small documents by name."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import AuditItem, CostItem, SettingItem, TerminationItem
from chalicelib.domain.cost import CostRecord
from chalicelib.domain.termination import Termination


@d.translating
class DynamoCosts:
    def __init__(self, prefix: str) -> None:
        self._costs: Any = d.bind(CostItem, prefix)

    def put(self, record: CostRecord) -> None:
        self._costs(
            job_id=record.job_id,
            key=record.key,
            month=record.month,
            at=record.at.isoformat(),
            document=d.dump(record),
        ).save()

    def of_job(self, job_id: str) -> Sequence[CostRecord]:
        return [d.load(CostRecord, row.document) for row in self._costs.query(job_id)]


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
