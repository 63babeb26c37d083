"""What routes and steps share after a change: telling people, and filling free slots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib import bootstrap
from chalicelib.domain.errors import ProviderError
from chalicelib.domain.gpu import GpuOffer
from chalicelib.domain.job import Job
from chalicelib.domain.organisation import DOCUMENT, from_document
from chalicelib.settings import settings
from chalicelib.use_cases.dispatch_queue import dispatch_queue
from chalicelib.use_cases.settle_job import Books
from chalicelib.use_cases.tell import tell


def teller(now: datetime) -> Callable[[str, Job], None]:
    """tell(kind, job). A notice that cannot be stored must not undo what it tells about, so it is only logged."""

    def say(kind: str, job: Job) -> None:
        try:
            tell(
                kind,
                job=job,
                now=now,
                notifications=bootstrap.notifications(),
                notifier=bootstrap.notifier(),
                public_url=settings().public_url,
                users=bootstrap.users(),
                detail=_score(job) if kind == "artifact_ready" else "",
            )
        except Exception:
            bootstrap.logger().exception("telling %s failed", kind)

    return say


def _score(job: Job) -> str:
    model = bootstrap.models().get(job.model_id) if job.model_id else None
    return f"{model.quality.score:g}" if model is not None else ""


def dispatch(now: datetime) -> list[str]:
    """Starts what may start. The minute schedule does the same, so a failure here only delays."""
    try:
        return dispatch_queue(
            jobs=bootstrap.jobs(),
            workflow=bootstrap.workflow(),
            timings=settings().timings,
            limit=concurrency_limit(),
            documents=bootstrap.documents(),
            now=now,
        )
    except Exception:
        bootstrap.logger().exception("dispatching failed; the schedule tries again")
        return []


def concurrency_limit() -> int:
    return from_document(bootstrap.documents().get(DOCUMENT)).concurrency_limit


def books(now: datetime) -> Books:
    return Books(
        jobs=bootstrap.jobs(),
        progress=bootstrap.progress(),
        attempts=bootstrap.attempts(),
        terminations=bootstrap.terminations(),
        costs=bootstrap.costs(),
        files=bootstrap.files(),
        tell=teller(now),
    )


def offers() -> tuple[GpuOffer, ...]:
    """What the provider sells right now; nothing known when it does not answer, so that only the asked GPU is tried."""
    try:
        return bootstrap.cloud().catalogue()
    except ProviderError:
        bootstrap.logger().warning("the provider's catalogue could not be read")
        return ()
