"""One line in a job's event log, numbered by the progress row it is saved with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.progress import LogEvent, Progress
from chalicelib.ports import ProgressStore
from chalicelib.use_cases.again import again


def say(
    rows: ProgressStore,
    job_id: str,
    now: datetime,
    kind: str,
    message: str,
    data: Mapping[str, Any] | None = None,
) -> Progress:
    """kind: status, checkpoint, warning, error or info."""

    def once() -> Progress:
        before = rows.get(job_id)
        row = before or Progress(job_id)
        event = LogEvent(row.event_count, now, kind, message, row.attempt, dict(data or {}))
        return rows.save(replace(row, event_count=row.event_count + 1), expected=before, events=[event])

    return again(once)
