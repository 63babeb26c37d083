"""Remembers which conversations were seen in few bytes: a gigabyte of tiny rows must fit a small Lambda."""

from __future__ import annotations

from array import array
from hashlib import blake2b

START_SLOTS = 1 << 12
MAX_SLOTS = 1 << 25  # 400 MB of table; 16.7 million conversations at half load


class SeenRows:
    """An open-addressing table from a 64-bit digest to the first line that had it.

    At ten million rows the chance of any false match is about 3 in a million (birthday bound, n^2 / 2^65).
    """

    def __init__(self, max_slots: int = MAX_SLOTS) -> None:
        self._max_slots = max_slots
        self._digests = array("Q", bytes(8 * START_SLOTS))
        self._lines = array("I", bytes(4 * START_SLOTS))
        self.count = 0
        self.is_full = False

    def first_line(self, content: bytes, line: int) -> int | None:
        """The line that had this content before, else None; then it is remembered while there is room."""
        digest = int.from_bytes(blake2b(content, digest_size=8).digest(), "little") or 1
        slot = self._slot_of(digest)
        if self._digests[slot]:
            return self._lines[slot]
        if not self.is_full:
            self._digests[slot] = digest
            self._lines[slot] = min(line, 0xFFFFFFFF)
            self.count += 1
            self._make_room()
        return None

    def _slot_of(self, digest: int) -> int:
        mask = len(self._digests) - 1
        slot = digest & mask
        while self._digests[slot] not in (0, digest):
            slot = (slot + 1) & mask
        return slot

    def _make_room(self) -> None:
        slots = len(self._digests)
        if 2 * self.count < slots:
            return
        if 2 * slots > self._max_slots:
            self.is_full = True
            return
        old = zip(self._digests, self._lines, strict=True)
        self._digests, self._lines = array("Q", bytes(16 * slots)), array("I", bytes(8 * slots))
        for digest, line in old:
            if digest:
                slot = self._slot_of(digest)
                self._digests[slot], self._lines[slot] = digest, line
