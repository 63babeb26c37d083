"""Progress rows with their log events and point blocks: one transaction, so nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import EventItem, MetricsItem, ProgressItem
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.progress import LogEvent, Progress

# DynamoDB takes at most 100 items in one transaction.
_MOST_EVENTS = 90


@d.translating
class DynamoProgress:
    def __init__(self, prefix: str) -> None:
        self._progress: Any = d.bind(ProgressItem, prefix)
        self._events: Any = d.bind(EventItem, prefix)
        self._metrics: Any = d.bind(MetricsItem, prefix)
        self._connection = d.connection()

    def get(self, job_id: str) -> Progress | None:
        found: Progress | None = d.fetch(self._progress, Progress, job_id)
        return found

    def save(
        self,
        after: Progress,
        *,
        expected: Progress | None,
        events: Sequence[LogEvent] = (),
        block: PointBlock | None = None,
    ) -> Progress:
        if len(events) > _MOST_EVENTS:
            raise ValueError(f"at most {_MOST_EVENTS} log events fit one write, not {len(events)}")
        if not events and block is None:
            return d.save(self._progress, after, expected, lambda row: {"job_id": row.job_id})
        saved = replace(after, version=d.next_version(expected))
        row = self._progress(
            job_id=saved.job_id, version_number=saved.version, **d.columns(self._progress, saved)
        )
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(row, condition=d.unchanged(self._progress, expected))
                for event in events:
                    transaction.save(
                        self._events(job_id=after.job_id, number=event.number, document=d.dump(event))
                    )
                if block is not None:
                    transaction.save(
                        self._metrics(
                            job_id=after.job_id, revision=block.revision, **d.columns(self._metrics, block)
                        )
                    )
        except TransactWriteError as error:
            raise d.translate(error) from error
        return saved

    def events(self, job_id: str, after: int = -1, limit: int | None = None) -> Sequence[LogEvent]:
        rows = self._events.query(job_id, self._events.number > after, limit=limit, consistent_read=True)
        return [d.load(LogEvent, row.document) for row in rows]

    def blocks(self, job_id: str, after_revision: int = 0) -> Sequence[PointBlock]:
        rows = self._metrics.query(job_id, self._metrics.revision > after_revision, consistent_read=True)
        return [d.read(PointBlock, row) for row in rows]

    def delete(self, job_id: str) -> None:
        for table in (self._events, self._metrics):
            with table.batch_write() as batch:
                for row in table.query(job_id):
                    batch.delete(row)
        self._progress(job_id=job_id).delete()
