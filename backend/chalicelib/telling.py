"""What routes and steps share after a change: telling people, and filling free slots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib import bootstrap
from chalicelib.domain import news
from chalicelib.domain.catalogue import reason_label
from chalicelib.domain.errors import ProviderError, ServiceUnavailable
from chalicelib.domain.gpu import GpuOffer
from chalicelib.domain.job import Job
from chalicelib.domain.notification import Notification
from chalicelib.domain.organisation import DOCUMENT, from_document
from chalicelib.domain.person import Person
from chalicelib.settings import settings
from chalicelib.use_cases.dispatch_queue import dispatch_queue
from chalicelib.use_cases.heal_budget import heal_budget as heal
from chalicelib.use_cases.settle_job import Books
from chalicelib.use_cases.tell import deliver, tell
from chalicelib.use_cases.tell_queue import tell_queue


def teller(now: datetime, *, repeated: bool = False) -> Callable[[str, Job], None]:
    """tell(kind, job). A notice that cannot be stored must not undo what it tells about, so it is only logged.

    repeated: for work that is done again when it fails; then a store that does not answer is such a failure, for nobody
    would ever tell it otherwise.
    """

    def say(kind: str, job: Job) -> None:
        try:
            _tell(kind, job, now, _detail(kind, job))
            if kind == "job_started":
                _tell_watchers(job, now)
        except Exception as error:
            if repeated and isinstance(error, ServiceUnavailable):
                raise
            bootstrap.logger().exception("telling %s failed", kind)

    return say


def _tell(kind: str, job: Job, at: datetime, detail: str) -> None:
    tell(
        kind,
        job=job,
        now=at,
        notifications=bootstrap.notifications(),
        notifier=bootstrap.notifier(),
        public_url=settings().public_url,
        users=bootstrap.users(),
        detail=detail,
    )


def _tell_watchers(job: Job, now: datetime) -> None:
    """Whoever watches hears the end of it; the creator hears it anyway."""
    for person in job.watchers:
        if person.id != job.created_by.id:
            told = news.note(
                "job_started",
                to=person,
                at=job.claimed_at or now,
                message=f"Training started for {job.name}.",
                link=f"/training-jobs/{job.id}",
                key=f"{job.id} {job.run}",
            )
            _deliver(told, person, job, watching=True)


def _deliver(told: Notification, to: Person, job: Job, watching: bool) -> None:
    deliver(
        told,
        to=to,
        subject=f"{told.title}: {job.name}",
        text=f"{told.message}\n\n{job.name}\n{settings().public_url}{told.link}\n\n"
        f"You are told because you watch this job or chose to be: {settings().public_url}/notifications\n",
        notifications=bootstrap.notifications(),
        notifier=bootstrap.notifier(),
        users=bootstrap.users(),
        watching=watching,
    )


def warner() -> Callable[[str, Job, datetime, str], None]:
    """warn(kind, job, at, detail): told with the moment it happened, so that saying it again tells nobody twice."""

    def warn(kind: str, job: Job, at: datetime, detail: str) -> None:
        try:
            _tell(kind, job, at, detail)
        except Exception:
            bootstrap.logger().exception("telling %s failed", kind)

    return warn


def _detail(kind: str, job: Job) -> str:
    if kind == "job_cancelled" and job.cancellation is not None:
        asked = job.cancellation
        return f"{reason_label(asked.reason) or asked.reason} (by {asked.requested_by.name})"
    return _score(job) if kind == "artifact_ready" else ""


def _score(job: Job) -> str:
    model = bootstrap.models().get(job.model_id) if job.model_id else None
    return f"{model.quality.score:g}" if model is not None else ""


def dispatch(now: datetime, *, again: bool = False) -> list[str]:
    """Starts what may start, and tells whose turn has come near. The minute schedule does the same, so a failure here
    only delays. again: what was told a few minutes ago is told once more, which only heals what was lost."""
    started: list[str] = []
    try:
        limit = concurrency_limit()
        started = dispatch_queue(
            jobs=bootstrap.jobs(),
            workflow=bootstrap.workflow(),
            timings=settings().timings,
            limit=limit,
            documents=bootstrap.documents(),
            now=now,
        )
        tell_queue(
            jobs=bootstrap.jobs(),
            progress=bootstrap.progress(),
            limit=limit,
            started=started,
            again=again,
            deliver=_deliver,
            now=now,
        )
    except Exception:
        bootstrap.logger().exception("dispatching failed; the schedule tries again")
    return started


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
        tell=teller(now, repeated=True),
        budgets=bootstrap.budgets(),
    )


def heal_budget(now: datetime) -> None:
    """The minute schedule does the same, so a failure here only delays."""
    try:
        heal(
            budgets=bootstrap.budgets(),
            costs=bootstrap.costs(),
            jobs=bootstrap.jobs(),
            notifier=bootstrap.notifier(),
            audit=bootstrap.audit(),
            now=now,
        )
    except Exception:
        bootstrap.logger().exception("healing the budget failed; the schedule tries again")


def offers() -> tuple[GpuOffer, ...]:
    """What the provider sells right now; nothing known when it does not answer, so that only the asked GPU is tried."""
    try:
        return bootstrap.cloud().catalogue()
    except ProviderError:
        bootstrap.logger().warning("the provider's catalogue could not be read")
        return ()
