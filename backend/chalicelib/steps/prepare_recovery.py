"""State PrepareRecovery: {backoff_seconds}."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap
from chalicelib.observed import observed
from chalicelib.settings import settings
from chalicelib.use_cases.prepare_recovery import prepare_recovery

bp = Blueprint(__name__)


@bp.lambda_function(name="PrepareRecovery")
@observed("PrepareRecovery")
def handler(event: dict[str, Any], context: Any) -> Any:
    return prepare_recovery(
        event["job_id"],
        int(event["run"]),
        # Executions that began under an earlier deployment do not say it.
        int(event["attempt"]) if "attempt" in event else None,
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        attempts=bootstrap.attempts(),
        timings={**settings().timings, **event.get("timings", {})},
        now=bootstrap.clock()(),
    )
