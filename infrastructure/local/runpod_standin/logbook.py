"""Logs of pods as RunPod shows them: what the container printed and what its host says about it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runpod_standin.records import utc_now

CONTAINER = "container"
SYSTEM = "system"
# A request reads at most this much of a container's output, so that a chatty pod cannot stall the stand-in.
_READ_LIMIT_BYTES = 2_000_000
_MARK_INTERVAL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """One line; ordered by time, then by place in its log."""

    at: datetime
    index: int
    source: str
    text: str

    @property
    def event_id(self) -> str:
        return f"{stamp(self.at)}/{self.index:012d}"

    def event(self) -> str:
        """The line as one server-sent event."""
        data: dict[str, Any] = {"ts": stamp(self.at), "source": self.source, "line": self.text}
        return f"id: {self.event_id}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def stamp(at: datetime) -> str:
    """RFC 3339 with microseconds and Z, as fine as the marks are."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class LogBook:
    """Log files of all pods under one folder: `{pod}/container.log`, `container.marks`, `system.log`.

    A container writes its file itself and no times with it, so the stand-in marks when the file had grown to
    which size, and a line counts as printed at the first mark at or past its end.
    """

    def __init__(self, root: Path, now: Callable[[], datetime] = utc_now) -> None:
        self._root = root
        self._now = now
        self._marked: dict[str, tuple[datetime, int]] = {}

    def folder(self, pod_id: str) -> Path:
        return self._root / pod_id

    def container_log(self, pod_id: str) -> Path:
        return self.folder(pod_id) / "container.log"

    def say(self, pod_id: str, text: str) -> None:
        """Adds a line to the pod's system log."""
        with (self.folder(pod_id) / "system.log").open("a") as log:
            log.write(json.dumps({"ts": self._now().isoformat(), "line": text}) + "\n")

    def note_growth(self, pod_id: str) -> None:
        """Marks how long the container's log is now, unless it was marked a moment ago."""
        now = self._now()
        marked_at, marked_size = self._marked.get(pod_id, (None, 0))
        if marked_at and (now - marked_at).total_seconds() < _MARK_INTERVAL_SECONDS:
            return
        self._mark(pod_id, now, marked_size)

    def lines(self, pod_id: str, source: str | None) -> list[LogLine]:
        """Lines of one source or of both, by time."""
        self._mark(pod_id, self._now(), self._marked.get(pod_id, (None, 0))[1])
        found: list[LogLine] = []
        if source != CONTAINER:
            found += self._system_lines(pod_id)
        if source != SYSTEM:
            found += self._container_lines(pod_id)
        return sorted(found)

    def _mark(self, pod_id: str, now: datetime, marked_size: int) -> None:
        log = self.container_log(pod_id)
        size = log.stat().st_size if log.exists() else 0
        self._marked[pod_id] = (now, size)
        if size != marked_size:
            with (self.folder(pod_id) / "container.marks").open("a") as marks:
                marks.write(f"{size} {now.isoformat()}\n")

    def _system_lines(self, pod_id: str) -> list[LogLine]:
        log = self.folder(pod_id) / "system.log"
        if not log.exists():
            return []
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        return [
            LogLine(datetime.fromisoformat(entry["ts"]), index, SYSTEM, entry["line"])
            for index, entry in enumerate(entries, start=1)
        ]

    def _container_lines(self, pod_id: str) -> list[LogLine]:
        log = self.container_log(pod_id)
        if not log.exists():
            return []
        sizes, times = self._marks(pod_id)
        with log.open("rb") as content:
            start = max(0, log.stat().st_size - _READ_LIMIT_BYTES)
            content.seek(start)
            text = content.read(_READ_LIMIT_BYTES)
        lines = []
        position = start
        # A line is complete with its newline; what follows the last one is still being printed.
        for raw in text.split(b"\n")[:-1]:
            position += len(raw) + 1
            mark = min(bisect_right(sizes, position - 1), len(times) - 1)
            # The end of the line in bytes is a number that grows and never changes: a place to resume at.
            lines.append(LogLine(times[mark], position, CONTAINER, raw.decode("utf-8", "replace")))
        return lines

    def _marks(self, pod_id: str) -> tuple[list[int], list[datetime]]:
        marks = self.folder(pod_id) / "container.marks"
        rows = [line.split(" ") for line in marks.read_text().splitlines()] if marks.exists() else []
        if not rows:
            return [0], [self._now()]
        return [int(size) for size, _ in rows], [datetime.fromisoformat(at) for _, at in rows]
