"""The API describes itself."""

from __future__ import annotations

from chalice import Blueprint, Response  # type: ignore[attr-defined]

from chalicelib import openapi
from chalicelib.routes.http import ROUTES, Call, endpoint
from chalicelib.settings import settings

bp = Blueprint(__name__)


@endpoint(bp, "GET", "/api/openapi.json", role=None, raw=True, summary="This document")
def get_openapi(_call: Call) -> Response:
    document = openapi.document(ROUTES, version=settings().version, server_url=settings().public_url)
    return Response(body=document, headers={"Cache-Control": "public, max-age=300"})
