"""What can be chosen for a job."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, views_catalog
from chalicelib.routes.http import Call, endpoint
from chalicelib.settings import settings
from chalicelib.use_cases.read_catalog import read_catalog

bp = Blueprint(__name__)


@endpoint(bp, "GET", "/api/catalog", summary="Presets, GPUs with prices, base models and fixed lists")
def get_catalog(call: Call) -> dict[str, Any]:
    facts = read_catalog(jobs=bootstrap.jobs(), documents=bootstrap.documents(), now=call.now)
    return views_catalog.catalog_json(facts.cards, facts.record, call.person.id, settings().local_models)
