"""The jobs list as a read model: SQLite in the Lambda, begun from a base file, caught up before each answer.

DynamoDB is asked only for what changed since, so that listing stays as fast as history grows.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from chalicelib.adapters import jobs_index_rows as rows
from chalicelib.adapters.jobs_index_files import BaseFiles, fingerprint
from chalicelib.adapters.jobs_index_sql import EVERY_ALL, EVERY_FOUND, INSERT, LIST_ALL, LIST_FOUND, SCHEMA
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch
from chalicelib.ports import Files, JobStore

# Writers' clocks differ by seconds and the index of changes lags behind its table a little.
OVERLAP = timedelta(seconds=20)
# Now and then a longer look back, for a lag that was out of the ordinary.
LONG_OVERLAP = timedelta(minutes=15)
LONG_OVERLAP_EVERY = timedelta(minutes=5)
FULL_REBUILD_EVERY = timedelta(days=1)
PAGE = 500

RowOf = Callable[[Job], Mapping[str, Any]]


class JobsIndex:
    """row_of: a job as a row of contracts/examples/job_list.json."""

    def __init__(
        self,
        jobs: JobStore,
        files: Files,
        row_of: RowOf,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._jobs = jobs
        self._row_of = row_of
        self._clock = clock
        self._base = BaseFiles(files, fingerprint(self._row_of))
        self._folder = Path(tempfile.mkdtemp(prefix="jobs-index-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._looked_back_at: datetime | None = None
        self._changed = False

    def search(self, question: JobSearch) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
        """(rows of the page, counts, total). Each facet is counted with every filter but its own."""
        with self._lock:
            connection = self._caught_up()
            if question.search and not question.words:
                return [], rows.counts(_NOTHING), 0
            statement = LIST_FOUND if question.words else LIST_ALL
            bindings = rows.parameters(question, self._clock())
            text = _one(connection, statement, bindings)[0]
        answer = json.loads(text)
        return [rows.shown(found) for found in answer["rows"]], rows.counts(answer), answer["total"]

    def every(self, question: JobSearch, limit: int) -> tuple[Iterator[dict[str, Any]], int]:
        """(rows of all pages, in their order, at most `limit` of them; how many match)."""
        with self._lock:
            connection = self._caught_up()
            if question.search and not question.words:
                return iter(()), 0
            statement = EVERY_FOUND if question.words else EVERY_ALL
            bindings = {**rows.parameters(question, self._clock()), "limit": limit}
            found = connection.execute(statement, bindings).fetchall()
        # Read one by one: ten thousand rows take many times their text in memory.
        return (json.loads(str(row)) for row, _ in found), int(str(found[0][1])) if found else 0

    def rebuild(self) -> dict[str, Any]:
        """Writes a new base file: {key, jobs}; key is None when nothing changed since the last one.

        Once a day everything is read anew, which heals whatever a read model can get wrong.
        """
        with self._lock:
            now = self._clock()
            connection = self._caught_up()
            full_at = _fact(connection, "full_at")
            if full_at is None or now - rows.instant(int(full_at)) >= FULL_REBUILD_EVERY:
                self._connection, self._looked_back_at = self._empty(), None
                connection.close()
                connection = self._caught_up()
            jobs = int(_one(connection, "SELECT count(*) FROM jobs")[0])
            if not self._changed:
                return {"key": None, "jobs": jobs}
            path = self._folder / "base.sqlite"
            path.unlink(missing_ok=True)
            connection.execute("VACUUM INTO ?", (str(path),))
            key = self._base.store(path, now)
            path.unlink()
            self._changed = False
            return {"key": key, "jobs": jobs}

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _caught_up(self) -> apsw.Connection:
        if self._connection is None:
            path = self._folder / "jobs.sqlite"
            self._connection = self._base.fetch_newest(path) or self._empty()
        now = self._clock()
        long = self._looked_back_at is None or now - self._looked_back_at >= LONG_OVERLAP_EVERY
        with self._connection:
            self._catch_up(self._connection, LONG_OVERLAP if long else OVERLAP)
        if long:
            self._looked_back_at = now
        return self._connection

    def _empty(self) -> apsw.Connection:
        connection = apsw.Connection(":memory:")
        connection.execute(SCHEMA)
        _set_fact(connection, "full_at", rows.microseconds(self._clock()))
        self._changed = True
        return connection

    def _catch_up(self, connection: apsw.Connection, overlap: timedelta) -> None:
        stored = _fact(connection, "changes_until")
        until = None if stored is None else rows.instant(int(stored))
        since = None if until is None else until - overlap
        limit = PAGE
        while True:
            changes = self._jobs.changed_since(since, limit)
            for change in changes:
                self._apply(connection, change)
            newest = _newest(changes, since)
            if newest is not None and (until is None or newest > until):
                until = newest
            if len(changes) < limit:
                break
            # A page of one instant, or of deletions, which carry none: only asking for more gets past it.
            limit = limit * 2 if newest == since else PAGE
            since = newest
        if until is not None and str(rows.microseconds(until)) != stored:
            _set_fact(connection, "changes_until", rows.microseconds(until))

    def _apply(self, connection: apsw.Connection, change: Job | str) -> None:
        job_id = change if isinstance(change, str) else change.id
        present = connection.execute("SELECT n, version FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if isinstance(change, Job) and present is not None and present[1] >= change.version:
            return
        if present is not None:
            connection.execute("DELETE FROM jobs WHERE n = ?", (present[0],))
            connection.execute("DELETE FROM words WHERE rowid = ?", (present[0],))
            self._changed = True
        if isinstance(change, Job):
            number = _one(connection, INSERT, rows.columns(change, self._row_of(change)))[0]
            connection.execute(
                "INSERT INTO words (rowid, name, description, notes, tags) VALUES (?, ?, ?, ?, ?)",
                (number, *rows.words(change)),
            )
            self._changed = True


_NOTHING: Mapping[str, Any] = {
    "tab": {},
    "status": {},
    "preset": {},
    "created_by": [],
    "gpu_tier": {},
    "cost": {},
}


def _newest(changes: Sequence[Job | str], since: datetime | None) -> datetime | None:
    times = [change.changed_at for change in changes if isinstance(change, Job)]
    return max(times, default=since)


def _one(connection: apsw.Connection, statement: str, bindings: Any = None) -> tuple[Any, ...]:
    """The one row of a statement that always gives one."""
    found: Any = connection.execute(statement, bindings).fetchone()
    return tuple(found)


def _fact(connection: apsw.Connection, name: str) -> str | None:
    found = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


def _set_fact(connection: apsw.Connection, name: str, value: int) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, str(value)))
