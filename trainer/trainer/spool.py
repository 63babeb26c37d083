"""Events that were not acknowledged yet, on disk, so that neither an outage nor a crash loses one."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

COMPACT_AFTER = 500


class Spool:
    """Numbered events in order. The file is a cache of what memory holds: losing the disk never stops
    training."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._first = 0
        self._events: list[dict[str, Any]] = []
        self._dropped_since_rewrite = 0
        self._load()

    def __len__(self) -> int:
        with self._lock:
            return len(self._events)

    def append(self, event: dict[str, Any], durable: bool) -> None:
        """Add an event; durable ones are on disk before this returns."""
        with self._lock:
            self._events.append(event)
            line = json.dumps({"sequence": self._first + len(self._events) - 1, "event": event}) + "\n"
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
            except OSError as error:
                log.warning("cannot write the spool %s: %s", self._path, error)

    def batch(self, max_events: int, max_bytes: int) -> tuple[int, list[dict[str, Any]]]:
        """Sequence number of the first waiting event and as many events as fit; at least one if any waits."""
        with self._lock:
            chosen: list[dict[str, Any]] = []
            size = 0
            for event in self._events[:max_events]:
                size += len(json.dumps(event)) + 1
                if chosen and size > max_bytes:
                    break
                chosen.append(event)
            return self._first, chosen

    def acknowledge(self, next_sequence: int) -> None:
        """Forget what the control plane has. A number outside the spool renumbers what is left."""
        with self._lock:
            known = next_sequence - self._first
            if known == 0:
                return
            if 0 < known <= len(self._events):
                del self._events[:known]
                self._first = next_sequence
                self._dropped_since_rewrite += known
                if self._events and self._dropped_since_rewrite < COMPACT_AFTER:
                    return
            else:
                # Events counted from elsewhere, or a control plane that lost some:
                # unacknowledged events move to
                # the number it asks for, so that nothing is skipped and nothing blocks.
                self._first = next_sequence
            self._rewrite()

    def replace_first(self, event: dict[str, Any]) -> None:
        """Swap the first waiting event for another one under the same number."""
        with self._lock:
            if self._events:
                self._events[0] = event
                self._rewrite()

    def _rewrite(self) -> None:
        self._dropped_since_rewrite = 0
        temporary = self._path.with_suffix(".tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                for offset, event in enumerate(self._events):
                    file.write(json.dumps({"sequence": self._first + offset, "event": event}) + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            log.warning("cannot rewrite the spool %s: %s", self._path, error)

    def _load(self) -> None:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                sequence, event = int(entry["sequence"]), dict(entry["event"])
            except (ValueError, KeyError, TypeError):
                # The last line of a killed process may be torn; what follows it cannot be trusted either.
                break
            if not self._events:
                self._first = sequence
            self._events.append(event)
