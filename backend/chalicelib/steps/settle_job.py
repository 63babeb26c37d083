"""State SettleJob: {failed, error, cause, status}; then the freed slot is filled."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, telling
from chalicelib.observed import observed
from chalicelib.settings import settings
from chalicelib.use_cases.settle_job import settle_job

bp = Blueprint(__name__)


@bp.lambda_function(name="SettleJob")
@observed("SettleJob")
def handler(event: dict[str, Any], context: Any) -> Any:
    now = bootstrap.clock()()
    outcome = settle_job(
        event["job_id"],
        int(event["run"]),
        books=telling.books(now),
        timings={**settings().timings, **event.get("timings", {})},
        now=now,
    )
    telling.dispatch(now)
    return outcome
