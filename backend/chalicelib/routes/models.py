"""Trained models: list, look, download."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field

from chalicelib import bootstrap, views_models
from chalicelib.routes.http import Body, Call, Query, endpoint
from chalicelib.use_cases.download_model import download_model
from chalicelib.use_cases.list_models import list_models
from chalicelib.use_cases.read_model import read_model

bp = Blueprint(__name__)


class ModelQuery(Query):
    sort: Literal["created_at", "quality"] = "created_at"
    search: Annotated[str, Field(max_length=200)] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 12


class DownloadBody(Body):
    """files: names of the files wanted; all when left out."""

    files: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=200)] | None = None


@endpoint(bp, "GET", "/api/models", query=ModelQuery, summary="Trained models")
def get_models(call: Call) -> dict[str, Any]:
    query = call.query
    page = list_models(
        models=bootstrap.models(), sort=query.sort, search=query.search, page=query.page, limit=query.limit
    )
    return views_models.model_page_json(page)


@endpoint(bp, "GET", "/api/models/{model_id}", summary="One model with its files and samples")
def get_model(call: Call) -> dict[str, Any]:
    return views_models.model_json(read_model(call.path["model_id"], models=bootstrap.models()))


@endpoint(
    bp,
    "POST",
    "/api/models/{model_id}/download",
    body=DownloadBody,
    scope="models:read",
    summary="Links to a model's files, valid for 15 minutes",
)
def download_model_files(call: Call) -> dict[str, Any]:
    links = download_model(
        call.path["model_id"], call.body.files, models=bootstrap.models(), files=bootstrap.files()
    )
    return views_models.links_json(links)
