"""The jobs list as a read model: SQLite in the Lambda, begun from a base file, caught up before each answer.

DynamoDB is asked only for what changed since, so that listing stays as fast as history grows.
"""

from __future__ import annotations

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
from chalicelib.adapters.jobs_index_sql import SCHEMA
from chalicelib.adapters.jobs_index_table import JobsTable
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch
from chalicelib.ports import Files, JobStore

# Writers' clocks differ by seconds and the index of changes lags behind its table a little.
OVERLAP = timedelta(seconds=20)
# Now and then a longer look back, for a lag that was out of the ordinary.
LONG_OVERLAP = timedelta(minutes=15)
LONG_OVERLAP_EVERY = timedelta(minutes=5)
FULL_REBUILD_EVERY = timedelta(days=1)
# A row made anew once after its job came to rest stays right, and making it reads another table.
AT_REST_AFTER = 2 * FULL_REBUILD_EVERY
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
        self._table: JobsTable | None = None
        self._looked_back_at: datetime | None = None
        self._changed = False
        # The table that is being replaced, while everything is read anew.
        self._replaced: JobsTable | None = None

    def search(self, question: JobSearch) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
        """(rows of the page, counts, total). Each facet is counted with every filter but its own."""
        with self._lock:
            table = self._caught_up()
            found = table.found(question)
            offset = (question.page - 1) * question.limit
            now = rows.microseconds(self._clock())
            return list(table.page(question, found, now, offset, question.limit)), found.counts, found.total

    def every(self, question: JobSearch, limit: int) -> tuple[Iterator[dict[str, Any]], int]:
        """(rows of all pages, in their order, at most `limit` of them; how many match)."""
        with self._lock:
            table = self._caught_up()
            found = table.found(question)
            return table.page(question, found, rows.microseconds(self._clock()), 0, limit), found.total

    def rebuild(self) -> dict[str, Any]:
        """Writes a new base file: {key, jobs}; key is None when nothing changed since the last one.

        Once a day everything is read anew, which heals whatever a read model can get wrong.
        """
        with self._lock:
            now = self._clock()
            table = self._caught_up()
            full_at = table.fact("full_at")
            if full_at is None or now - rows.instant(full_at) >= FULL_REBUILD_EVERY:
                table = self._read_anew(table)
            if not self._changed:
                return {"key": None, "jobs": len(table)}
            path = self._folder / "base.sqlite"
            path.unlink(missing_ok=True)
            table.write(str(path))
            key = self._base.store(path, now)
            path.unlink()
            self._changed = False
            return {"key": key, "jobs": len(table)}

    def close(self) -> None:
        with self._lock:
            self._drop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _read_anew(self, table: JobsTable) -> JobsTable:
        self._replaced, self._table, self._looked_back_at = table, self._empty(), None
        try:
            return self._caught_up()
        finally:
            table.close()
            self._replaced = None

    def _drop(self) -> None:
        if self._table is not None:
            self._table.close()
            self._table = None

    def _caught_up(self) -> JobsTable:
        if self._table is None:
            opened = self._base.fetch_newest(self._folder / "jobs.sqlite")
            self._table = self._empty() if opened is None else JobsTable(opened)
        now = self._clock()
        long = self._looked_back_at is None or now - self._looked_back_at >= LONG_OVERLAP_EVERY
        self._catch_up(self._table, LONG_OVERLAP if long else OVERLAP)
        if long:
            self._looked_back_at = now
        return self._table

    def _empty(self) -> JobsTable:
        connection = apsw.Connection(":memory:")
        connection.execute(SCHEMA)
        table = JobsTable(connection)
        table.set_fact("full_at", rows.microseconds(self._clock()))
        self._changed = True
        return table

    def _catch_up(self, table: JobsTable, overlap: timedelta) -> None:
        stored = table.fact("changes_until")
        until = None if stored is None else rows.instant(stored)
        since = None if until is None else until - overlap
        limit = PAGE
        while True:
            changes = self._jobs.changed_since(since, limit)
            newest = _newest(changes, since)
            if newest is not None and (until is None or newest > until):
                until = newest
            self._apply(table, [change for change in changes if _is_news(table, change)], until)
            if len(changes) < limit:
                break
            # A page of one instant, or of deletions, which carry none: only asking for more gets past it.
            limit = limit * 2 if newest == since else PAGE
            since = newest

    def _apply(self, table: JobsTable, news: Sequence[Job | str], until: datetime | None) -> None:
        """Rows are made first: what they read may fail, and then nothing has changed yet."""
        if not news:
            return
        made = [(each, None if isinstance(each, str) else self._row(each)) for each in news]
        self._changed = True
        try:
            with table.changing():
                for each, row in made:
                    if isinstance(each, Job) and row is not None:
                        table.put(each, row)
                    else:
                        table.forget(each if isinstance(each, str) else each.id)
                if until is not None:
                    table.set_fact("changes_until", rows.microseconds(until))
        except BaseException:
            # What is in memory may be ahead of what was written, so both begin again.
            self._drop()
            raise

    def _row(self, job: Job) -> Mapping[str, Any]:
        replaced = self._replaced
        if replaced is not None and job.is_final and self._clock() - job.changed_at > AT_REST_AFTER:
            row = replaced.row(job.id, job.version)
            if row is not None:
                return row
        return self._row_of(job)


def _is_news(table: JobsTable, change: Job | str) -> bool:
    if isinstance(change, str):
        return table.version(change) is not None
    version = table.version(change.id)
    return version is None or version < change.version


def _newest(changes: Sequence[Job | str], since: datetime | None) -> datetime | None:
    times = [change.changed_at for change in changes if isinstance(change, Job)]
    return max(times, default=since)
