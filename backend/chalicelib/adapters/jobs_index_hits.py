"""Which jobs have a word or a tag. What was asked for lately is kept and brought up to date job by job."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from functools import reduce

import apsw

from chalicelib.adapters.jobs_index_bits import bits_of

KEPT = 64
# With more jobs changed since than this, asking anew is as fast.
_MANY = 200

_ALL = {
    "word": "SELECT group_concat(rowid) FROM words WHERE words MATCH ?",
    "tag": "SELECT group_concat(n) FROM tags WHERE tag = ?",
}
_AMONG = {
    "word": """
        SELECT group_concat(rowid) FROM words
        WHERE words MATCH ? AND rowid IN (SELECT value FROM json_each(?))
    """,
    "tag": "SELECT group_concat(n) FROM tags WHERE tag = ? AND n IN (SELECT value FROM json_each(?))",
}


@dataclass(slots=True)
class _Kept:
    bits: int
    changed: set[int]


class Hits:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def changed(self, number: int) -> None:
        for kept in self._kept.values():
            kept.changed.add(number)

    def words(self, expressions: list[str]) -> int:
        """Jobs that match all of these FTS5 expressions."""
        return reduce(lambda one, other: one & other, (self._of("word", each) for each in expressions))

    def tags(self, tags: tuple[str, ...]) -> int:
        """Jobs that have one of these tags."""
        return reduce(lambda one, other: one | other, (self._of("tag", each) for each in tags))

    def _of(self, kind: str, value: str) -> int:
        kept = self._kept.get((kind, value))
        if kept is None or len(kept.changed) > _MANY:
            kept = _Kept(self._ask(_ALL[kind], value), set())
        elif kept.changed:
            changed = list(kept.changed)
            unchanged = kept.bits & ~bits_of(changed)
            kept = _Kept(unchanged | self._ask(_AMONG[kind], value, json.dumps(changed)), set())
        self._kept[kind, value] = kept
        self._kept.move_to_end((kind, value))
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept.bits

    def _ask(self, statement: str, *bindings: str) -> int:
        (numbers,) = self._connection.execute(statement, bindings).fetchone() or (None,)
        # As one text: row by row takes twice the time.
        return bits_of(json.loads(f"[{numbers or ''}]"))
