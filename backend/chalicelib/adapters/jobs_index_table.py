"""The listed jobs: rows and texts in SQLite, and in memory what filters, counts and orders need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import apsw

from chalicelib.adapters import jobs_index_rows as rows
from chalicelib.adapters import jobs_index_sql as sql
from chalicelib.adapters.jobs_index_bits import Bits, bits_of
from chalicelib.adapters.jobs_index_counts import Found, by_days, by_filters
from chalicelib.adapters.jobs_index_days import Days
from chalicelib.adapters.jobs_index_hits import Hits
from chalicelib.adapters.jobs_index_pages import Pages
from chalicelib.adapters.jobs_index_texts import Texts
from chalicelib.domain.job import Job
from chalicelib.domain.job_search import JobSearch


class JobsTable:
    def __init__(self, connection: apsw.Connection, pages: Pages | None = None) -> None:
        self._connection = connection
        self._bits = Bits()
        self._days = Days()
        self._hits = Hits(connection)
        self._pages = pages or Pages(connection)
        self._texts = Texts(connection)
        self._columns = [str(name) for _, name, *_ in connection.execute("PRAGMA table_info(jobs)")]
        self._parts: Mapping[str, Any] = {"bits": self._bits, "days": self._days, "pages": self._pages}
        for part, name, body in connection.execute("SELECT part, name, body FROM memory"):
            self._parts[str(part)].load(name, body)

    def __len__(self) -> int:
        return self._bits.every.bit_count()

    def close(self) -> None:
        self._texts.close()
        self._connection.close()

    def changing(self) -> apsw.Connection:
        """A context in which changes become one transaction. What fails in it leaves the memory behind."""
        return self._connection

    def fact(self, name: str) -> int | None:
        found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else int(str(found[0]))

    def set_fact(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def version(self, job_id: str) -> int | None:
        """Of the job as it is held here."""
        found: Any = self._connection.execute(sql.VERSION, (job_id,)).fetchone()
        return None if found is None else int(found[0])

    def row(self, job_id: str, version: int) -> dict[str, Any] | None:
        """None when the job is not held in that version."""
        found: Any = self._connection.execute(sql.NUMBER, (job_id, version)).fetchone()
        return None if found is None else next(self._texts.shown(list(found)))

    def put(self, job: Job, row: Mapping[str, Any]) -> None:
        before = self._facts(job.id)
        after = rows.columns(job, row)
        self._pages.leave(before, after)
        bindings = {"n": None if before is None else before["n"], **after}
        found: Any = self._connection.execute(sql.PUT_JOB, bindings).fetchone()
        after["n"] = found[0]
        self._texts.put(after["n"], before, job, row)
        self._count(before, -1)
        self._count(after, 1)
        self._pages.enter(after["n"], before, after)

    def forget(self, job_id: str) -> bool:
        """Whether it was known."""
        before = self._facts(job_id)
        if before is None:
            return False
        self._pages.leave(before, None)
        self._texts.forget(before)
        self._connection.execute("DELETE FROM jobs WHERE n = ?", (before["n"],))
        self._count(before, -1)
        return True

    def found(self, question: JobSearch) -> Found:
        """Which jobs match, with the counts beside the filters."""
        among = self._among(question)
        if among is None:
            by_day = by_days(self._days, self._bits, question)
            if by_day is not None:
                return by_day
        return by_filters(self._bits, question, among)

    def page(
        self, question: JobSearch, found: Found, now: int, offset: int, limit: int
    ) -> Iterator[dict[str, Any]]:
        """Rows with their highlights."""
        numbers = list(self._pages.page(question, found.jobs, self._bits.running_clock, now, offset, limit))
        marked = self._texts.marked(numbers, rows.match(question.words)) if question.words else {}
        shown = self._texts.shown(numbers)
        return (
            {**row, "highlights": marked.get(number, {})} for number, row in zip(numbers, shown, strict=True)
        )

    def write(self, path: str) -> None:
        """A copy that holds what a function has in memory, too."""
        with self._connection:
            self._connection.execute("DELETE FROM memory")
            for part, held in self._parts.items():
                kept = ((part, name, body) for name, body in held.dump())
                self._connection.executemany("INSERT INTO memory VALUES (?, ?, ?)", kept)
        self._connection.execute("VACUUM INTO ?", (path,))

    def _among(self, question: JobSearch) -> int | None:
        """Jobs that have what cannot be counted beforehand; None: it is not asked for."""
        asked = []
        if question.search and not question.words:
            return 0
        if question.words:
            asked.append(self._hits.words([rows.match([word]) for word in question.words]))
        if question.tags:
            asked.append(self._hits.tags(question.tags))
        if question.ids:
            found = self._connection.execute(sql.NUMBERS, (json.dumps(question.ids),))
            asked.append(bits_of([int(str(number)) for (number,) in found]))
        if not asked:
            return None
        among = asked[0]
        for each in asked[1:]:
            among &= each
        return among

    def _facts(self, job_id: str) -> dict[str, Any] | None:
        found = self._connection.execute(sql.JOB, (job_id,)).fetchone()
        return None if found is None else dict(zip(self._columns, found, strict=True))

    def _count(self, facts: Mapping[str, Any] | None, times: int) -> None:
        if facts is not None:
            self._bits.toggle(facts["n"], facts)
            self._days.add(facts, times)
            self._hits.changed(facts["n"])
