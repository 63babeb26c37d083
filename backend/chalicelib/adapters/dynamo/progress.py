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
from chalicelib.domain.rollups import RollUp

# DynamoDB takes at most 100 items in one transaction.
_MOST_EVENTS = 90
# Roll-ups lie beside the blocks, whose numbers are positive: below zero, each level in a range of its own.
_LEVEL = 10**12


def _key(level: int, revision: int) -> int:
    return -(level * _LEVEL + revision)


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
        rollups: Sequence[RollUp] = (),
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
                    self._put(transaction, block.revision, block)
                for rollup in rollups:
                    self._put(transaction, _key(rollup.level, rollup.revision), rollup)
        except TransactWriteError as error:
            raise d.translate(error) from error
        return saved

    def _put(self, transaction: TransactWrite, key: int, piece: PointBlock | RollUp) -> None:
        transaction.save(self._metrics(job_id=piece.job_id, revision=key, **d.columns(self._metrics, piece)))

    def events(self, job_id: str, after: int = -1, limit: int | None = None) -> Sequence[LogEvent]:
        rows = self._events.query(job_id, self._events.number > after, limit=limit, consistent_read=True)
        return [d.load(LogEvent, row.document) for row in rows]

    def blocks(
        self, job_id: str, after_revision: int = 0, up_to_revision: int | None = None
    ) -> Sequence[PointBlock]:
        if up_to_revision is not None and up_to_revision <= after_revision:
            return []
        key = self._metrics.revision
        within = (
            key > after_revision
            if up_to_revision is None
            else key.between(after_revision + 1, up_to_revision)
        )
        rows = self._metrics.query(job_id, within, consistent_read=True)
        return [d.read(PointBlock, row) for row in rows]

    def rollups(self, job_id: str, level: int, after: int, up_to: int) -> Sequence[RollUp]:
        within = self._metrics.revision.between(_key(level, up_to), _key(level, after + 1))
        rows = self._metrics.query(job_id, within, consistent_read=True, scan_index_forward=False)
        return [d.read(RollUp, row) for row in rows]

    def delete(self, job_id: str) -> None:
        for table in (self._events, self._metrics):
            with table.batch_write() as batch:
                for row in table.query(job_id):
                    batch.delete(row)
        self._progress(job_id=job_id).delete()
