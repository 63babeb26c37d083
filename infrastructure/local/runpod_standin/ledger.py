"""The stand-in's books in SQLite: pods, billed spans, prices. What it says survives `kill -9`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from runpod_standin.records import PodRecord

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pods (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spans (
    pod_id TEXT NOT NULL, from_at TEXT NOT NULL, to_at TEXT, usd_per_hour TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS spans_by_pod ON spans (pod_id);
CREATE TABLE IF NOT EXISTS price_factors (gpu_id TEXT PRIMARY KEY, factor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time billed at one rate. `to_at` None: still running."""

    pod_id: str
    from_at: datetime
    to_at: datetime | None
    usd_per_hour: Decimal


class Ledger:
    """One connection, used from one thread. Every write is durable when the call returns."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        # FULL: the meter is the truth about money, so a commit waits for the disk.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside take effect together or not at all. Does not nest."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def save(self, record: PodRecord) -> None:
        self._connection.execute(
            "INSERT INTO pods VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
            (record.id, record.sequence, record.to_json()),
        )

    def records(self) -> list[PodRecord]:
        """Every pod that ever lived, oldest first."""
        rows = self._connection.execute("SELECT record FROM pods ORDER BY sequence").fetchall()
        return [PodRecord.from_json(text) for (text,) in rows]

    def open_span(self, pod_id: str, at: datetime, usd_per_hour: Decimal) -> None:
        """Bills `pod_id` at this rate from `at`; closes the span before it."""
        self.close_span(pod_id, at)
        self._connection.execute(
            "INSERT INTO spans VALUES (?, ?, NULL, ?)", (pod_id, at.isoformat(), str(usd_per_hour))
        )

    def close_span(self, pod_id: str, at: datetime) -> None:
        """Stops billing. Harmless when nothing is billed."""
        self._connection.execute(
            "UPDATE spans SET to_at = ? WHERE pod_id = ? AND to_at IS NULL", (at.isoformat(), pod_id)
        )

    def spans(self, pod_id: str | None = None) -> list[Span]:
        """Billed spans in order; of every pod without an argument."""
        rows = self._connection.execute(
            "SELECT pod_id, from_at, to_at, usd_per_hour FROM spans "
            "WHERE ?1 IS NULL OR pod_id = ?1 ORDER BY rowid",
            (pod_id,),
        ).fetchall()
        return [
            Span(
                pod_id=owner,
                from_at=datetime.fromisoformat(from_at),
                to_at=datetime.fromisoformat(to_at) if to_at else None,
                usd_per_hour=Decimal(rate),
            )
            for owner, from_at, to_at, rate in rows
        ]

    def open_rate(self, pod_id: str) -> Decimal:
        """$/h being billed now; 0 when the pod is not billed."""
        row = self._connection.execute(
            "SELECT usd_per_hour FROM spans WHERE pod_id = ? AND to_at IS NULL", (pod_id,)
        ).fetchone()
        return Decimal(row[0]) if row else Decimal(0)

    def price_factor(self, gpu_id: str) -> Decimal:
        """What the list price of a GPU type has been multiplied by so far."""
        row = self._connection.execute(
            "SELECT factor FROM price_factors WHERE gpu_id = ?", (gpu_id,)
        ).fetchone()
        return Decimal(row[0]) if row else Decimal(1)

    def set_price_factor(self, gpu_id: str, factor: Decimal) -> None:
        self._connection.execute("INSERT OR REPLACE INTO price_factors VALUES (?, ?)", (gpu_id, str(factor)))

    def mark(self, name: str, at: datetime) -> None:
        """Remembers a moment by name."""
        self._connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, at.isoformat()))

    def marked(self, name: str) -> datetime | None:
        row = self._connection.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return datetime.fromisoformat(row[0]) if row else None
