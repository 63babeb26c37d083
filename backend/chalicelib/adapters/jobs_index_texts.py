"""What people read of the jobs: their rows, packed, and the texts that are searched."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apsw

from chalicelib.adapters import jobs_index_rows as rows
from chalicelib.adapters import jobs_index_sql as sql
from chalicelib.domain.job import Job

# Bare deflate with a window of 4 KB: two rows fit, and nothing large is set up for each.
_WINDOW = -12


class Texts:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._marks = apsw.Connection(":memory:")
        self._marks.execute(sql.MARKS)
        found = connection.execute("SELECT value FROM facts WHERE name = 'dictionary'").fetchone()
        self._dictionary: bytes = b"" if found is None else found[0]

    def close(self) -> None:
        self._marks.close()

    def put(self, number: int, before: Mapping[str, Any] | None, job: Job, row: Mapping[str, Any]) -> None:
        """before: the columns that the job's row had."""
        packed = self._packed(json.dumps(row).encode())
        self._connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (number, packed))
        new = rows.words(job)
        # Most changes leave the texts as they are, and writing them is most of the work.
        if before is None or self._words(number) != new:
            self._forget_words(number, before)
            self._connection.execute(sql.PUT_WORDS, (number, *new))
        tags = rows.tags(job)
        if before is None or json.loads(before["tags"]) != tags:
            self._forget_tags(number, before)
            added = ((tag, number) for tag in set(tags))
            self._connection.executemany("INSERT INTO tags VALUES (?, ?)", added)

    def forget(self, before: Mapping[str, Any]) -> None:
        self._forget_words(before["n"], before)
        self._forget_tags(before["n"], before)
        self._connection.execute("DELETE FROM rows WHERE n = ?", (before["n"],))

    def shown(self, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Their rows, in this order. Unpacked one by one: ten thousand take many times their size."""
        found: Any = self._connection.execute(sql.ROWS, (json.dumps(numbers),))
        packed: dict[int, bytes] = dict(found)
        return (self._unpacked(packed[number]) for number in numbers)

    def marked(self, numbers: Sequence[int], expression: str) -> dict[int, dict[str, str]]:
        """Number -> field -> its text with the hits of the FTS5 expression marked."""
        self._marks.execute("BEGIN")
        try:
            for number in numbers:
                self._marks.execute(sql.PUT_WORDS, (number, *self._words(number)))
            found: Any = self._marks.execute(sql.MARKED, (expression,)).fetchall()
        finally:
            self._marks.execute("ROLLBACK")
        return {number: rows.highlights(texts) for number, *texts in found}

    def _words(self, number: int) -> tuple[str, ...]:
        found: Any = self._connection.execute(sql.WORDS, (number,)).fetchone()
        return tuple(found)

    def _forget_words(self, number: int, before: Mapping[str, Any] | None) -> None:
        if before is not None:
            self._connection.execute("DELETE FROM words WHERE rowid = ?", (number,))

    def _forget_tags(self, number: int, before: Mapping[str, Any] | None) -> None:
        gone = set(json.loads(before["tags"])) if before is not None else set()
        self._connection.executemany(
            "DELETE FROM tags WHERE tag = ? AND n = ?", ((tag, number) for tag in gone)
        )

    def _packed(self, row: bytes) -> bytes:
        """Rows are alike, so the first one ever packed is what the others are told apart from."""
        if not self._dictionary:
            self._dictionary = row
            self._connection.execute("INSERT INTO facts VALUES ('dictionary', ?)", (row,))
        packer = zlib.compressobj(wbits=_WINDOW, zdict=self._dictionary)
        return packer.compress(row) + packer.flush()

    def _unpacked(self, packed: bytes) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(zlib.decompressobj(_WINDOW, self._dictionary).decompress(packed))
        return row
