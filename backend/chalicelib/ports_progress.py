"""Where a job's progress, log and points are kept, as a Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.progress import LogEvent, Progress
from chalicelib.domain.rollups import RollUp


class ProgressStore(Protocol):
    def get(self, job_id: str) -> Progress | None: ...

    def save(
        self,
        after: Progress,
        *,
        expected: Progress | None,
        events: Sequence[LogEvent] = (),
        block: PointBlock | None = None,
        rollups: Sequence[RollUp] = (),
    ) -> Progress:
        """Progress, its new log events, its new points and the roll-ups they complete: all or nothing, exactly once."""
        ...

    def events(self, job_id: str, after: int = -1, limit: int | None = None) -> Sequence[LogEvent]:
        """Log events with a number above `after`, oldest first."""
        ...

    def blocks(
        self, job_id: str, after_revision: int = 0, up_to_revision: int | None = None
    ) -> Sequence[PointBlock]:
        """In order of revision."""

    def rollups(self, job_id: str, level: int, after: int, up_to: int) -> Sequence[RollUp]:
        """Those of a level that end behind revision `after` and up to `up_to`, in order."""

    def delete(self, job_id: str) -> None: ...
