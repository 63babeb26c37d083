"""Is the service up, and what it stands on?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.routes.http import Call, endpoint
from chalicelib.settings import settings

bp = Blueprint(__name__)

_ABSENT = "health-probe"


@endpoint(bp, "GET", "/api/health", role=None, summary="Version and the state of dependencies")
def get_health(_call: Call) -> dict[str, Any]:
    """contracts/examples/health.json. `status` is `ok`, or `degraded` when a dependency does not answer."""
    dependencies = {
        "dynamodb": _state(lambda: bootstrap.documents().get(_ABSENT)),
        "s3": _state(lambda: bootstrap.files().head(_ABSENT)),
    }
    healthy = all(state == "ok" for state in dependencies.values())
    return {
        "version": settings().version,
        "status": "ok" if healthy else "degraded",
        "dependencies": dependencies,
    }


def _state(probe: Callable[[], object]) -> str:
    """Any failure at all means that the dependency does not work for us: that is what is asked here."""
    try:
        probe()
    except Exception:
        bootstrap.logger().exception("health probe failed")
        return "unavailable"
    return "ok"
