"""Jobs and the slots they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import JobItem, SettingItem
from chalicelib.domain.job import UNDER_WAY, Job
from chalicelib.domain.queue import Slots, queue_key

_DELETED = "deleted"


def _instant(at: datetime) -> str:
    """Sorts as text: fixed width, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _keys(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.status.value,
        "queue_key": queue_key(job),
        "changed_shard": "jobs",
        "changed_at": _instant(job.changed_at),
        "needed_dataset": job.dataset.id if job.status in UNDER_WAY else None,
    }


@d.translating
class DynamoJobs:
    def __init__(self, prefix: str) -> None:
        self._jobs: Any = d.bind(JobItem, prefix)
        self._settings: Any = d.bind(SettingItem, prefix)
        self._connection = d.connection()

    def get(self, job_id: str) -> Job | None:
        try:
            row = self._jobs.get(job_id, consistent_read=True)
        except self._jobs.DoesNotExist:
            return None
        return None if row.status == _DELETED else d.read(Job, row)

    def save(self, after: Job, *, expected: Job | None) -> Job:
        return d.save(self._jobs, after, expected, _keys)

    def save_with_slots(
        self, after: Job, *, expected: Job, slots: Slots, expected_slots: Slots
    ) -> tuple[Job, Slots]:
        job = replace(after, version=d.next_version(expected))
        taken = replace(slots, version=expected_slots.version + 1)
        slot_expectation = None if expected_slots.version == 0 else expected_slots
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(
                    self._jobs(**_keys(job), version_number=job.version, **d.columns(self._jobs, job)),
                    condition=d.unchanged(self._jobs, expected),
                )
                transaction.save(
                    self._settings(name="slots", version_number=taken.version, document=d.dump(taken)),
                    condition=d.unchanged(self._settings, slot_expectation),
                )
        except TransactWriteError as error:
            raise d.translate(error) from error
        return job, taken

    def slots(self) -> Slots:
        found: Slots | None = d.fetch(self._settings, Slots, "slots")
        return found or Slots()

    def delete(self, job: Job) -> None:
        row = self._jobs(
            id=job.id,
            status=_DELETED,
            queue_key=job.id,
            changed_shard="jobs",
            changed_at=_instant(datetime.now(UTC)),
            version_number=job.version + 1,
            document="{}",
        )
        row.save(condition=d.unchanged(self._jobs, job), add_version_condition=False)

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        return [d.read(Job, row) for row in self._jobs.by_status.query(status, limit=limit)]

    def under_way_with(self, dataset_id: str) -> Sequence[Job]:
        return [d.read(Job, row) for row in self._jobs.by_dataset.query(dataset_id)]

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        since = None if changed_at is None else self._jobs.changed_at >= _instant(changed_at)
        rows = self._jobs.by_changed_at.query("jobs", since, limit=limit)
        return [row.id if row.status == _DELETED else d.read(Job, row) for row in rows]
