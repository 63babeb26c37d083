"""State PollPod: {pod: alive | lost, why}."""

from __future__ import annotations

import time
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.observed import observed
from chalicelib.settings import settings
from chalicelib.use_cases.poll_pod import poll_pod

bp = Blueprint(__name__)


@bp.lambda_function(name="PollPod")
@observed("PollPod")
def handler(event: dict[str, Any], context: Any) -> Any:
    return poll_pod(
        event["job_id"],
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        attempts=bootstrap.attempts(),
        cloud=bootstrap.cloud(),
        documents=bootstrap.documents(),
        timings={**settings().timings, **event.get("timings", {})},
        now=bootstrap.clock()(),
        sleep=time.sleep,
    )
