"""What runs by the clock. Each does nothing that matters when it runs twice at once."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import approving, bootstrap, telling
from chalicelib.observed import count, observed
from chalicelib.settings import settings
from chalicelib.storage_events import check
from chalicelib.use_cases.expire_pauses import expire_pauses
from chalicelib.use_cases.expire_uploads import expire_uploads
from chalicelib.use_cases.poll_pod import DOOR
from chalicelib.use_cases.record_queue_history import record_queue_history
from chalicelib.use_cases.refresh_catalog import refresh_catalog
from chalicelib.use_cases.settle_bills import Auditor, settle_bills
from chalicelib.use_cases.settle_job import settle_job
from chalicelib.use_cases.sweep_pods import Broom, sweep_pods
from chalicelib.use_cases.tidy_approvals import tidy_approvals

bp = Blueprint(__name__)


@bp.lambda_function(name="DispatchQueue")
@observed("DispatchQueue")
def dispatch_queue(event: dict[str, Any], context: Any) -> Any:
    now = bootstrap.clock()()
    started = telling.dispatch(now, again=True)
    recorded = record_queue_history(
        jobs=bootstrap.jobs(),
        events=bootstrap.queue_events(),
        documents=bootstrap.documents(),
        now=now,
    )
    tidied = tidy_approvals(approvals=bootstrap.approvals(), effects=approving.effects(now), now=now)
    return {"started": started, "queue_events": recorded, "approvals_tidied": tidied}


@bp.lambda_function(name="SweepPods")
@observed("SweepPods")
def sweep(event: dict[str, Any], context: Any) -> Any:
    now = bootstrap.clock()()
    _try_the_door(now)
    swept = sweep_pods(
        Broom(
            deployment=settings().deployment,
            jobs=bootstrap.jobs(),
            progress=bootstrap.progress(),
            attempts=bootstrap.attempts(),
            terminations=bootstrap.terminations(),
            cloud=bootstrap.cloud(),
            workflow=bootstrap.workflow(),
            notifier=bootstrap.notifier(),
            settle=lambda job_id, run: settle_job(
                job_id, run, books=telling.books(now), timings=settings().timings, now=now
            ),
            timings=settings().timings,
            now=now,
            costs=bootstrap.costs(),
            warn=telling.warner(),
        )
    )
    count("LeakedPods", len(swept.leaked_pods))
    _expire_pauses(now)
    telling.heal_budget(now)
    telling.dispatch(now)
    return asdict(swept)


def _expire_pauses(now: datetime) -> None:
    expire_pauses(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        documents=bootstrap.documents(),
        files=bootstrap.files(),
        tell=telling.teller(now, repeated=True),
        now=now,
    )


def _try_the_door(now: datetime) -> None:
    """Our own request where pods report to: if it stops arriving, silent pods may be talking to a shut door."""
    # Here, not above: it is half of the cold start of every function that imports this module.
    import httpx

    try:
        reply = httpx.get(f"{settings().report_url}/api/health", timeout=10)
    except httpx.HTTPError:
        return
    if reply.status_code == 200:
        bootstrap.documents().put(DOOR, {"open_at": now.isoformat()})


@bp.lambda_function(name="SettleBills")
@observed("SettleBills")
def settle(event: dict[str, Any], context: Any) -> Any:
    settled = settle_bills(
        Auditor(
            deployment=settings().deployment,
            jobs=bootstrap.jobs(),
            progress=bootstrap.progress(),
            attempts=bootstrap.attempts(),
            costs=bootstrap.costs(),
            cloud=bootstrap.cloud(),
            audit=bootstrap.audit(),
            timings=settings().timings,
            now=bootstrap.clock()(),
        )
    )
    count("CorrectedUsd", float(settled.corrected_usd))
    return {"settled": settled.settled, "still_provisional": settled.still_provisional}


@bp.lambda_function(name="RefreshCatalog")
@observed("RefreshCatalog")
def refresh(event: dict[str, Any], context: Any) -> Any:
    now = bootstrap.clock()()
    return {"offers": refresh_catalog(cloud=bootstrap.cloud(), documents=bootstrap.documents(), now=now)}


@bp.lambda_function(name="RebuildJobsIndex")
@observed("RebuildJobsIndex")
def rebuild(event: dict[str, Any], context: Any) -> Any:
    return bootstrap.jobs_index().rebuild()


@bp.lambda_function(name="ExpireUploads")
@observed("ExpireUploads")
def expire(event: dict[str, Any], context: Any) -> Any:
    now = bootstrap.clock()()
    found = expire_uploads(datasets=bootstrap.datasets(), files=bootstrap.files(), now=now)
    checked = {dataset_id: check(dataset_id, context) for dataset_id in found.to_validate}
    return {"expired": found.expired, "checked": checked}
