"""The books as the API shows them: contracts/examples/costs.json."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from chalicelib.domain.cost import CostRecord
from chalicelib.domain.spending import Sum
from chalicelib.use_cases.read_costs import CostPage
from chalicelib.views_catalog import iso, usd
from chalicelib.views_job_cost import small

_TYPE_LABELS = {"training_compute": "Training", "leaked": "Leaked: billed with no job at work"}


def costs_json(page: CostPage) -> dict[str, Any]:
    """Sums in cents; a line too small for cents keeps four places, so that a short run does not read as free."""
    found = page.spending
    return {
        "period": {
            "start_date": page.period.first.isoformat(),
            "end_date": page.period.last.isoformat(),
            "label": page.period.label,
        },
        "total_usd": usd(found.total_usd),
        "leaked_usd": usd(found.leaked_usd),
        "provisional_usd": usd(found.provisional_usd),
        "settled": found.provisional_usd == 0,
        "by_type": [
            {"type": each.id, "label": _TYPE_LABELS.get(each.id, each.id), "usd": usd(each.amount_usd)}
            for each in found.by_type
        ],
        "by_job": _named(found.by_job, "job_id"),
        "by_client": _named(found.by_client, "client_id"),
        "by_project": _named(found.by_project, "project_id"),
        "by_person": _named(found.by_person, "person_id"),
        "by_day": [
            {"date": each.id, "usd": usd(each.amount_usd), "leaked_usd": usd(each.leaked_usd)}
            for each in found.by_day
        ],
        "leaked_by_week": [{"week": each.id, "usd": usd(each.leaked_usd)} for each in found.leaked_by_week],
        "records": [_line(line) for line in page.lines],
        "cursor": None if page.after is None else write_cursor(page.after),
    }


def _named(sums: Sequence[Sum], key: str) -> list[dict[str, Any]]:
    """null stands for what has none: jobs without a client, leaks without a person."""
    return [
        {
            key: each.id or None,
            "name": each.name or None,
            "usd": usd(each.amount_usd),
            "leaked_usd": usd(each.leaked_usd),
        }
        for each in sums
    ]


def _line(line: CostRecord) -> dict[str, Any]:
    return {
        "id": f"{line.job_id}/{line.key}",
        "type": line.type,
        "at": iso(line.at),
        "job_id": line.job_id,
        "job_name": line.job_name or None,
        "attempt": line.attempt or None,
        "pod_id": line.pod_id or None,
        "person": {"id": line.person_id, "name": line.person_name} if line.person_id else None,
        "client_id": line.client_id,
        "project_id": line.project_id,
        "gpu": line.gpu_name,
        "gpu_count": line.gpu_count,
        "duration_seconds": line.duration_seconds,
        "usd": small(line.amount_usd),
        "status": "provisional" if line.provisional else "settled",
    }


def write_cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """None (the first page) for one that cannot be read."""
    if not cursor:
        return None
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("utf-8")
    except ValueError:
        return None
