"""How often jobs are cancelled and paused, by whom and why, what that saved, and when pausing helps."""

from __future__ import annotations

from datetime import UTC, timedelta, tzinfo
from typing import Annotated, Any

from chalice import Blueprint  # type: ignore[attr-defined]
from pydantic import Field

from chalicelib import bootstrap, views_stops
from chalicelib.domain.gpu import Tier
from chalicelib.domain.identity import Role
from chalicelib.domain.peak_hours import exposure
from chalicelib.domain.stops import JobFacts
from chalicelib.routes.http import Call, Query, endpoint
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.read_stops import read_stops

bp = Blueprint(__name__)


class StopsQuery(Query):
    days: Annotated[int, Field(ge=1, le=365)] = 90


@endpoint(
    bp,
    "GET",
    "/api/statistics/stops",
    role=Role.MANAGER,
    query=StopsQuery,
    summary="Cancellations and pauses of the last days: of everyone and by person",
)
def get_stops(call: Call) -> dict[str, Any]:
    since = call.now - timedelta(days=call.query.days)
    recent = [each for each in _known(call) if each.at >= since]
    return views_stops.stops_json(recent, call.query.days, _zone(call), call.now)


@endpoint(
    bp,
    "GET",
    "/api/jobs/{job_id}/pause-advice",
    summary="When pausing this job would spare it interruptions, from our own history; null where that is not known",
)
def get_pause_advice(call: Call) -> dict[str, Any]:
    job = the_job(bootstrap.jobs(), call.path["job_id"])
    if job.configuration.gpu.tier is not Tier.SPOT:
        return {"advice": None}
    zone = _zone(call)
    return {"advice": views_stops.advice_json(exposure(_known(call), zone, call.now), zone)}


def _known(call: Call) -> tuple[JobFacts, ...]:
    return read_stops(jobs=bootstrap.jobs(), documents=bootstrap.documents(), now=call.now)


def _zone(call: Call) -> tzinfo:
    """Peak hours are those of whoever asks."""
    # Here, not above: every cold start of the API would pay for it.
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(call.person.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return UTC
