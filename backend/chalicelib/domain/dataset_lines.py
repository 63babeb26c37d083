"""Cuts a stream of bytes into lines, holding at most one line of bounded length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE_BYTES = 4 * 1024 * 1024


class Line(NamedTuple):
    """number counts from 1. data has no line end; it is empty when too_long. ended: a newline followed it."""

    number: int
    data: bytes
    too_long: bool
    ended: bool


class LineSplitter:
    """Feed chunks of any size, then call `finish` once."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._number = 0
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield self._line(chunk[start:end], ended=True)
            start = end + 1
        self._hold(chunk[start:])

    def finish(self) -> Iterator[Line]:
        """The last line, when the file does not end with a newline."""
        if self._held_bytes:
            yield self._line(b"", ended=False)

    def _hold(self, piece: bytes) -> None:
        """Past the bound only the length is kept: the line is reported, its bytes are of no use."""
        self._held_bytes += len(piece)
        if self._held_bytes > self._max_line_bytes:
            self._held.clear()
        elif piece:
            self._held.append(piece)

    def _line(self, piece: bytes, *, ended: bool) -> Line:
        self._hold(piece)
        too_long = self._held_bytes > self._max_line_bytes
        data = b"" if too_long else b"".join(self._held)
        self._number += 1
        self._held.clear()
        self._held_bytes = 0
        return Line(self._number, data.removesuffix(b"\r"), too_long, ended)
