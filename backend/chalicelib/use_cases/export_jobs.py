"""The jobs list as a CSV file: in the reply while it fits, in storage with a link when it does not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.csv_text import csv_text
from chalicelib.domain.errors import NotFound
from chalicelib.domain.identity import User
from chalicelib.domain.ids import is_id
from chalicelib.ports import Files

MAX_ROWS = 10_000
# A Lambda may answer 6 MB, and the file travels as a JSON string with the envelope around it.
MAX_INLINE_BYTES = 5_000_000
LINK_SECONDS = 900
HEADER = (
    "Job ID", "Name", "Status", "Preset", "GPU Type", "Created By", "Created At", "Started At", "Completed At",
    "Duration (minutes)", "Cost ($)", "Tags",
)  # fmt: skip
_TIERS = {"spot": "Spot", "on_demand": "On-Demand"}


@dataclass(frozen=True, slots=True)
class Export:
    """Either content, or the id and a link to the stored file. rows is below total when the list was too long."""

    file_name: str
    size_bytes: int
    rows: int | None = None
    total: int | None = None
    content: str | None = None
    id: str | None = None
    url: str | None = None


def export_jobs(
    rows: Iterable[Mapping[str, Any]],
    total: int,
    *,
    has_header: bool = True,
    export_id: str,
    user: User,
    files: Files,
    now: datetime,
) -> Export:
    """rows: as in contracts/examples/job_list.json, at most MAX_ROWS. total: how many there would be.
    has_header: not of a later part of a list."""
    lines = [_line(row) for row in rows]
    content = csv_text(HEADER if has_header else None, lines)
    name, size_bytes = _file_name(now), len(content.encode())
    if len(json.dumps(content)) <= MAX_INLINE_BYTES:
        return Export(name, size_bytes, len(lines), total, content=content)
    key = _key(user, export_id)
    files.write(key, content.encode(), "text/csv; charset=utf-8")
    link = files.download_link(key, expires_in_seconds=LINK_SECONDS, file_name=name)
    return Export(name, size_bytes, len(lines), total, id=export_id, url=link)


def read_export(export_id: str, *, user: User, files: Files) -> Export:
    """A fresh link to a stored export. NotFound when it is another person's, or older than a day."""
    head = files.head(_key(user, export_id)) if is_id("exp", export_id) else None
    if head is None:
        raise NotFound("There is no such export. Exports are kept for a day.")
    name = _file_name(head["last_modified"])
    link = files.download_link(_key(user, export_id), expires_in_seconds=LINK_SECONDS, file_name=name)
    return Export(name, int(head["size_bytes"]), id=export_id, url=link)


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    configuration, seconds = row["configuration"], row["duration_seconds"]
    return (
        row["id"],
        row["name"],
        row["status"],
        configuration["preset_id"],
        f"{_TIERS[configuration['gpu_tier']]} {configuration['gpu_name']}",
        row["created_by"]["name"],
        row["created_at"],
        row["started_at"] or "",
        row["ended_at"] or "",
        "" if seconds is None or row["started_at"] is None else f"{seconds / 60:.1f}",
        row["cost"]["spent_usd"] or "0.00",
        ", ".join(row["tags"]),
    )


def _key(user: User, export_id: str) -> str:
    return f"exports/{user.id}/{export_id}.csv"


def _file_name(at: datetime) -> str:
    return f"training-jobs-export-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"
