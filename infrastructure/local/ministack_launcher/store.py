"""What the stand-in must still know after it was killed: one SQLite file, committed before a reply leaves.

SQLite's write-ahead log is the journal: commits append to it and are synced to disk (`synchronous=FULL`),
commits of many requests share one sync, and folding the log into the file is incremental and safe against
a kill at any moment (https://www.sqlite.org/wal.html). So no full snapshot of all items is ever written
while requests wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path

# (kind, key, JSON text): None as text deletes the key, None as key deletes the whole kind.
Change = tuple[str, str | None, str | None]

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""


class StoreClosedError(RuntimeError):
    """A change came after the store was closed."""


class Store:
    """Documents by kind and key. Thread-safe; one thread of its own writes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._waiting: list[tuple[list[Change], Future[None]]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(SCHEMA)
        self._writer = threading.Thread(target=self._write_all, name="store-writer", daemon=True)
        self._writer.start()

    def put(self, changes: list[Change]) -> Future[None]:
        """Queue changes that belong together; the future is done when they are on disk.

        They are committed in the order of the calls, and the changes of one call all or none.
        """
        done: Future[None] = Future()
        with self._changed:
            if self._closing:
                raise StoreClosedError("The state store is closed: the stand-in is stopping.")
            self._waiting.append((changes, done))
            self._changed.notify()
        return done

    async def put_and_wait(self, changes: list[Change]) -> None:
        """Queue changes and return when they are on disk. Raises what the disk raised."""
        await asyncio.shield(asyncio.wrap_future(self.put(changes)))

    def read(self, kind: str) -> Iterator[tuple[str, str]]:
        """(key, JSON text) of a kind, in the order of the keys; meant for the time before the first put."""
        query = "SELECT key, value FROM documents WHERE kind = ? ORDER BY key"
        yield from self._connection.execute(query, (kind,))

    def kinds(self) -> list[str]:
        """Every kind that holds a document."""
        return [kind for (kind,) in self._connection.execute("SELECT DISTINCT kind FROM documents")]

    def close(self) -> None:
        """Write what is queued, fold the log into the file, and end the writer."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join()
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            self._write(batch)

    def _write(self, batch: list[tuple[list[Change], Future[None]]]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for changes, _ in batch:
                self._apply(changes)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for _, done in batch:
                done.set_exception(error)
            return
        for _, done in batch:
            done.set_result(None)

    def _apply(self, changes: Iterable[Change]) -> None:
        execute = self._connection.execute
        for kind, key, value in changes:
            if key is None:
                execute("DELETE FROM documents WHERE kind = ?", (kind,))
            elif value is None:
                execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))
            else:
                execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, value))
