"""The jobs list: one SQL statement of the read model, with the running jobs' progress laid over its rows."""

from __future__ import annotations

from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import BaseModel, Field

from chalicelib import bootstrap, views
from chalicelib.domain.job_search import parse
from chalicelib.routes.http import Call, Query, endpoint
from chalicelib.views_status import for_reader

bp = Blueprint(__name__)

Word = Annotated[str | None, Field(max_length=2000)]


class JobFilters(BaseModel):
    """Several values of one filter stand between commas; what they may be is checked by `job_search.parse`."""

    tab: Word = None
    status: Word = None
    preset: Word = None
    created_by: Word = None
    date_from: Word = None
    date_to: Word = None
    cost: Word = None
    gpu_tier: Word = None
    tag: Word = None
    search: Word = None
    sort_by: Word = None
    sort_dir: Word = None


class JobsQuery(JobFilters, Query):
    page: Word = None
    limit: Word = None


@endpoint(
    bp, "GET", "/api/jobs", query=JobsQuery, summary="Jobs: filter, search, sort, page, with counts per facet"
)
def get_jobs(call: Call) -> dict[str, Any]:
    question = parse(call.query.model_dump(), now=call.now, user_id=call.person.id)
    rows, counts, total = bootstrap.jobs_index().search(question)
    return {
        "jobs": [for_reader(live(row, call), call.person) for row in rows],
        "counts": counts,
        "pagination": {
            "page": question.page,
            "limit": question.limit,
            "total": total,
            "total_pages": max(1, -(-total // question.limit)),
        },
    }


def live(row: dict[str, Any], call: Call) -> dict[str, Any]:
    """Only rows of jobs that still run are read again: the read model knows decisions, not steps and cents."""
    if row["is_final"] or row["started_at"] is None:
        return row
    job = bootstrap.jobs().get(row["id"])
    if job is None:
        return row
    fresh = views.job_row(job, bootstrap.progress().get(job.id), call.now)
    return {**fresh, "highlights": row.get("highlights", {})}
