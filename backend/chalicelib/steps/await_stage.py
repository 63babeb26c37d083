"""Every Await state: stores the token of its wait, which ends at once when it is over already."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.observed import observed
from chalicelib.settings import settings
from chalicelib.use_cases.await_stage import await_stage

bp = Blueprint(__name__)


@bp.lambda_function(name="AwaitStage")
@observed("AwaitStage")
def handler(event: dict[str, Any], context: Any) -> Any:
    job = event["job"]
    return await_stage(
        job["job_id"],
        int(job["run"]),
        event["waiting_for"],
        event["token"],
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        workflow=bootstrap.workflow(),
        timings={**settings().timings, **job.get("timings", {})},
        now=bootstrap.clock()(),
    )
