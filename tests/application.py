"""The application under test, once per process: a Chalice blueprint belongs to the first one that registers it."""

from __future__ import annotations

from functools import cache

from chalice import Chalice  # type: ignore[attr-defined]


@cache
def application() -> Chalice:
    """The real one, with every route and Lambda."""
    from app import app

    return app
