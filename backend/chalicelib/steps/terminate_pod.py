"""State TerminatePod: {job, recovering, failure} -> {gone, ended_well}."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.observed import observed
from chalicelib.settings import settings
from chalicelib.use_cases.terminate_pod import terminate_pod

bp = Blueprint(__name__)


@bp.lambda_function(name="TerminatePod")
@observed("TerminatePod")
def handler(event: dict[str, Any], context: Any) -> Any:
    job = event["job"]
    return terminate_pod(
        job["job_id"],
        int(job["run"]),
        recovering=bool(event.get("recovering")),
        failure=event.get("failure") or {},
        deployment=settings().deployment,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        attempts=bootstrap.attempts(),
        terminations=bootstrap.terminations(),
        costs=bootstrap.costs(),
        cloud=bootstrap.cloud(),
        timings={**settings().timings, **job.get("timings", {})},
        now=bootstrap.clock()(),
    )
