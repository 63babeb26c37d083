"""Lists as files."""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import islice
from typing import Annotated, Any, Literal

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field, StrictInt

from chalicelib import bootstrap
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.ids import new_id
from chalicelib.domain.job_search import JobSearch, parse
from chalicelib.routes.http import Body, Call, endpoint
from chalicelib.routes.job_bodies import Id
from chalicelib.routes.jobs_list import JobFilters, live
from chalicelib.use_cases.export_jobs import MAX_ROWS, Export, export_jobs, read_export

bp = Blueprint(__name__)


class ExportFilters(JobFilters, Body):
    """As the query of GET /api/jobs, besides its page; job_ids: only these."""

    job_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)] | None = None


class ExportBody(Body):
    """offset, limit: a part of a long list, so that whoever waits sees how far it is; only the first has the header."""

    kind: Literal["jobs_csv"]
    filters: ExportFilters | None = None
    offset: Annotated[StrictInt, Field(ge=0, le=MAX_ROWS)] = 0
    limit: Annotated[StrictInt, Field(ge=1, le=MAX_ROWS)] = MAX_ROWS


@endpoint(
    bp,
    "POST",
    "/api/exports",
    body=ExportBody,
    scope="jobs:read",
    summary="A list as a file: its text up to 5 MB, else a link valid for 15 minutes",
)
def post_export(call: Call) -> dict[str, Any]:
    body: ExportBody = call.body
    rows, total = bootstrap.jobs_index().every(_question(body.filters or ExportFilters(), call), MAX_ROWS)
    export = export_jobs(
        (live(row, call) for row in islice(rows, body.offset, body.offset + body.limit)),
        total,
        has_header=body.offset == 0,
        export_id=new_id("exp", secrets.token_bytes(16)),
        user=call.person,
        files=bootstrap.files(),
        now=call.now,
    )
    return _export_json(export)


@endpoint(bp, "GET", "/api/exports/{export_id}", scope="jobs:read", summary="A new link to a stored export")
def get_export(call: Call) -> dict[str, Any]:
    return _export_json(read_export(call.path["export_id"], user=call.person, files=bootstrap.files()))


def _question(filters: ExportFilters, call: Call) -> JobSearch:
    values = filters.model_dump(exclude={"job_ids"})
    try:
        question = parse(values, now=call.now, user_id=call.person.id)
    except ValidationFailed as error:
        raise ValidationFailed({f"filters.{name}": said for name, said in error.details.items()}) from error
    return replace(question, ids=tuple(filters.job_ids or ()))


def _export_json(export: Export) -> dict[str, Any]:
    """contracts/examples/export_reply.json"""
    return {
        "id": export.id,
        "kind": "jobs_csv",
        "file_name": export.file_name,
        "size_bytes": export.size_bytes,
        "rows": export.rows,
        "total": export.total,
        "content": export.content,
        "url": export.url,
    }
