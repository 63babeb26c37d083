"""Datasets over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from chalicelib import bootstrap
from chalicelib import views_datasets as views
from chalicelib.domain.dataset import DatasetStatus
from chalicelib.routes.http import Body, Call, Query, endpoint
from chalicelib.use_cases.abort_upload import abort_upload
from chalicelib.use_cases.complete_upload import complete_upload
from chalicelib.use_cases.create_dataset import create_dataset
from chalicelib.use_cases.delete_dataset import delete_dataset
from chalicelib.use_cases.find_dataset import find_dataset
from chalicelib.use_cases.list_datasets import DatasetFilter, list_datasets
from chalicelib.use_cases.more_upload_parts import more_upload_parts
from chalicelib.use_cases.preview_dataset import preview_dataset

bp = Blueprint(__name__)

MOST_PARTS = 10_000


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


Count = Annotated[Annotated[int, Field(ge=0, le=10**9)] | None, BeforeValidator(_blank_is_none)]
Score = Annotated[
    Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] | None, BeforeValidator(_blank_is_none)
]
Status = Annotated[DatasetStatus | None, BeforeValidator(_blank_is_none)]


class NewDataset(Body):
    name: str
    file_name: str
    size_bytes: StrictInt


class PartNumbers(Body):
    numbers: list[StrictInt] = Field(default_factory=list, max_length=MOST_PARTS)


class UploadedPart(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: StrictInt = Field(ge=1, le=MOST_PARTS)
    etag: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")


class UploadedParts(Body):
    parts: list[UploadedPart] = Field(default_factory=list, max_length=MOST_PARTS)


class DatasetQuery(Query):
    search: str = Field("", max_length=200)
    status: Status = None
    min_conversations: Count = None
    max_conversations: Count = None
    min_quality: Score = None
    max_quality: Score = None
    page: int = Field(1, ge=1, le=100_000)
    limit: int = Field(25, ge=1, le=100)


class PreviewQuery(Query):
    offset: int = Field(0, ge=0, le=10_000_000)
    limit: int = Field(10, ge=1, le=50)


@endpoint(bp, "POST", "/api/datasets", body=NewDataset, status=201, summary="Announce an upload")
def create(call: Call) -> dict[str, Any]:
    dataset, upload = create_dataset(
        call.body.name,
        call.body.file_name,
        call.body.size_bytes,
        user=call.person,
        datasets=bootstrap.datasets(),
        files=bootstrap.files(),
        now=call.now,
        random_bytes=secrets.token_bytes(12),
    )
    _record(
        call, "dataset.create", dataset.id, {"file_name": dataset.file_name, "size_bytes": dataset.size_bytes}
    )
    return {"dataset": views.dataset(dataset), "upload": dict(upload)}


@endpoint(bp, "GET", "/api/datasets", query=DatasetQuery, summary="Datasets, newest first")
def list_all(call: Call) -> dict[str, Any]:
    query = call.query
    wanted = DatasetFilter(
        search=query.search,
        status=query.status,
        min_conversations=query.min_conversations,
        max_conversations=query.max_conversations,
        min_quality=query.min_quality,
        max_quality=query.max_quality,
    )
    found, total = list_datasets(wanted, query.page, query.limit, datasets=bootstrap.datasets())
    return views.datasets(found, query.page, query.limit, total)


@endpoint(bp, "GET", "/api/datasets/{dataset_id}", summary="One dataset with its report")
def show(call: Call) -> dict[str, Any]:
    return views.dataset(find_dataset(call.path["dataset_id"], datasets=bootstrap.datasets()))


@endpoint(
    bp, "GET", "/api/datasets/{dataset_id}/preview", query=PreviewQuery, summary="Conversations as trained"
)
def preview(call: Call) -> dict[str, Any]:
    offset, limit = call.query.offset, call.query.limit
    rows, total = preview_dataset(
        call.path["dataset_id"], offset, limit, datasets=bootstrap.datasets(), files=bootstrap.files()
    )
    return views.preview(rows, offset, limit, total)


@endpoint(
    bp,
    "POST",
    "/api/datasets/{dataset_id}/upload/parts",
    body=PartNumbers,
    summary="Fresh links for parts of an upload",
)
def parts(call: Call) -> dict[str, Any]:
    return dict(
        more_upload_parts(
            call.path["dataset_id"],
            call.body.numbers,
            user=call.person,
            datasets=bootstrap.datasets(),
            files=bootstrap.files(),
        )
    )


@endpoint(
    bp,
    "POST",
    "/api/datasets/{dataset_id}/upload/complete",
    body=UploadedParts,
    summary="Put the parts together",
)
def complete(call: Call) -> dict[str, Any]:
    dataset = complete_upload(
        call.path["dataset_id"],
        [part.model_dump() for part in call.body.parts],
        user=call.person,
        datasets=bootstrap.datasets(),
        files=bootstrap.files(),
        now=call.now,
    )
    return views.dataset(dataset)


@endpoint(bp, "POST", "/api/datasets/{dataset_id}/upload/abort", summary="Give up an upload")
def abort(call: Call) -> dict[str, Any]:
    dataset = abort_upload(
        call.path["dataset_id"],
        user=call.person,
        datasets=bootstrap.datasets(),
        files=bootstrap.files(),
        now=call.now,
    )
    _record(call, "dataset.abort_upload", dataset.id, {})
    return views.dataset(dataset)


@endpoint(bp, "DELETE", "/api/datasets/{dataset_id}", summary="Delete a dataset and its file")
def delete(call: Call) -> dict[str, Any]:
    dataset = delete_dataset(
        call.path["dataset_id"],
        user=call.person,
        datasets=bootstrap.datasets(),
        files=bootstrap.files(),
        active_jobs_using=active_jobs_using,
        now=call.now,
    )
    _record(call, "dataset.delete", dataset.id, {"name": dataset.name})
    return views.dataset(dataset)


def active_jobs_using(dataset_id: str) -> Sequence[str]:
    """Names of the jobs that still need the file. Drafts do not: starting one says that the file is gone."""
    return [job.name for job in bootstrap.jobs().under_way_with(dataset_id)]


def _record(call: Call, action: str, dataset_id: str, details: dict[str, Any]) -> None:
    bootstrap.audit().record(
        at=call.now, actor_id=call.person.id, action=action, subject=dataset_id, details=details
    )
