"""State CollectArtifacts: verifies every announced file in storage and makes the model of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.domain.attempt import total_usd
from chalicelib.observed import observed
from chalicelib.use_cases.again import change_job, the_job
from chalicelib.use_cases.collect_artifacts import collect_artifacts

bp = Blueprint(__name__)


@bp.lambda_function(name="CollectArtifacts")
@observed("CollectArtifacts")
def handler(event: dict[str, Any], context: Any) -> Any:
    now = bootstrap.clock()()
    job = the_job(bootstrap.jobs(), event["job_id"])
    row = bootstrap.progress().get(job.id)
    model = collect_artifacts(
        job,
        row.artifacts if row else None,
        files=bootstrap.files(),
        models=bootstrap.models(),
        now=now,
        cost_usd=total_usd(bootstrap.attempts().of_job(job.id), now),
    )
    change_job(bootstrap.jobs(), job.id, lambda before: replace(before, model_id=model.id, changed_at=now))
    return {"model_id": model.id}
