"""What a person is told about a job: the words, how much it matters, an id made from what happened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from chalicelib.domain.notification import Notification, Priority
from chalicelib.domain.person import Person

PREFERENCE_PREFIX = "notify."
CHANNELS = ("in_app", "email")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Gpu(_Named, Protocol):
    @property
    def count(self) -> int: ...


class _Configured(Protocol):
    @property
    def gpu(self) -> _Gpu: ...


class Subject(Protocol):
    """The few facts of a job that the words need; `domain.job.Job` has them."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def run(self) -> int: ...
    @property
    def created_by(self) -> Person: ...
    @property
    def dataset(self) -> _Named: ...
    @property
    def configuration(self) -> _Configured: ...
    @property
    def queued_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def paused_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def cost_usd(self) -> Decimal | None: ...
    @property
    def model_id(self) -> str | None: ...
    @property
    def end_sentence(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    priority: Priority
    mailed: bool
    # In the app too only for those who ask for it: who watches a job, or chose so.
    on_request: bool = False


KINDS: Mapping[str, _Kind] = {
    "job_queued": _Kind("Training Job Queued", Priority.LOW, mailed=False),
    "job_started": _Kind("Training Started", Priority.MEDIUM, mailed=False),
    "job_completed": _Kind("Training Completed", Priority.HIGH, mailed=True),
    "job_failed": _Kind("Training Failed", Priority.HIGH, mailed=True),
    "job_paused": _Kind("Training Paused", Priority.LOW, mailed=False),
    "pause_ends_soon": _Kind("Paused Training Ends Soon", Priority.HIGH, mailed=True),
    "pause_ended": _Kind("Paused Training Ended", Priority.MEDIUM, mailed=True),
    "job_cancelled": _Kind("Training Cancelled", Priority.MEDIUM, mailed=False),
    "spend_cap_near": _Kind("Spend Cap Nearly Reached", Priority.HIGH, mailed=True),
    "low_gpu": _Kind("GPU Nearly Idle", Priority.HIGH, mailed=True),
    "artifact_ready": _Kind("Model Ready for Download", Priority.HIGH, mailed=True),
    "queue_near": _Kind("Starting Soon", Priority.LOW, mailed=False, on_request=True),
    "queue_next": _Kind("Next in Queue", Priority.MEDIUM, mailed=False, on_request=True),
    "job_provisioning": _Kind("GPU Provisioning Started", Priority.LOW, mailed=False, on_request=True),
    "promotion_requested": _Kind("Priority Queue Request", Priority.HIGH, mailed=True),
    "promotion_decided": _Kind("Priority Request Decided", Priority.MEDIUM, mailed=True),
}


# Their time is that of the warning, given by whoever tells.
_WHILE_IT_RUNS = frozenset({"spend_cap_near", "low_gpu"})


def _warning(kind: str, detail: str) -> str:
    if kind == "spend_cap_near":
        return f"The spend cap is nearly reached: {detail or 'nine tenths of it are spent'}"
    return f"GPU utilization is {detail or 'low for long'}. Look at batch size, sequence length and GPU type"


def _message(kind: str, job: Subject, detail: str) -> str:
    if kind in _WHILE_IT_RUNS:
        return _warning(kind, detail)
    gpu = job.configuration.gpu
    match kind:
        case "job_queued":
            return f'Your training job for "{job.dataset.name}" has been queued and will start shortly'
        case "job_started":
            return f"Your training job has started on {gpu.count}x {gpu.name}"
        case "job_completed":
            cost = "" if job.cost_usd is None else f" Final cost: ${job.cost_usd:.2f}"
            return f"Your training job completed successfully.{cost}"
        case "job_failed":
            what = "failed to start" if job.started_at is None else "failed"
            return (
                f"Your training job {what}: {detail or job.end_sentence or 'Training failed on GPU cluster'}"
            )
        case "job_paused":
            return "Your training job is paused and no GPU is billed. Resume it from its page"
        case "pause_ends_soon":
            return "Your paused training job ends within three days: its checkpoint is kept no longer. Resume it to go on"
        case "pause_ended":
            return f"Your training job has ended. {job.end_sentence}"
        case "job_cancelled":
            return "Your training job was cancelled successfully"
        case _:
            stars = f" Quality score: {detail}/5 stars" if detail else ""
            return f"Your trained model is ready.{stars}"


def about(kind: str, job: Subject, now: datetime, detail: str = "") -> Notification:
    """KeyError for a kind that does not exist.

    detail: the reason of a failure (default: the job's own sentence), or the score of `artifact_ready`.
    The time is the job's own, so a step that runs twice makes the same id; `now` stands in where there is
    none.
    """
    told = KINDS[kind]
    at = _happened_at(kind, job) or now
    return Notification(
        id=_id_of(kind, job, at),
        user_id=job.created_by.id,
        type=kind,
        title=told.title,
        message=_message(kind, job, detail),
        priority=told.priority,
        at=at,
        link=f"/models/{job.model_id}"
        if kind == "artifact_ready" and job.model_id
        else f"/training-jobs/{job.id}",
    )


def mailed_facts(kind: str, job: Subject, detail: str = "") -> str:
    """What stands in the mail besides the sentence, a line each; empty for most kinds. detail: who cancelled, and why."""
    if kind != "job_cancelled":
        return ""
    ended, started = job.ended_at, job.started_at
    lines = [
        None if ended is None else f"Cancelled: {ended.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        f"Final cost: ${job.cost_usd or Decimal(0):.2f}",
        None if ended is None or started is None else f"Elapsed: {_span(ended - started)}",
        f"Reason: {detail}" if detail else None,
    ]
    return "".join(f"{line}\n" for line in lines if line)


def _span(time: timedelta) -> str:
    hours, minutes = divmod(int(time.total_seconds()) // 60, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"


def note(kind: str, *, to: Person, at: datetime, message: str, link: str, key: str) -> Notification:
    """In words of one's own. key and `at` tell one telling from another: the same ones make the same id."""
    told = KINDS[kind]
    what = hashlib.sha256(f"{key} {kind}".encode()).hexdigest()[:16]
    return Notification(
        f"ntf_{at.astimezone(UTC):%Y%m%dT%H%M%S}-{what}",
        to.id,
        kind,
        told.title,
        message,
        told.priority,
        at,
        link,
    )


def _happened_at(kind: str, job: Subject) -> datetime | None:
    if kind == "job_queued":
        return job.queued_at
    if kind == "job_started":
        # `started_at` is that of the first run; a later run starts after it was queued again.
        times = [at for at in (job.started_at, job.queued_at) if at is not None]
        return max(times, default=None)
    if kind in _WHILE_IT_RUNS:
        return None
    return job.paused_at if kind in {"job_paused", "pause_ends_soon"} else job.ended_at


def _id_of(kind: str, job: Subject, at: datetime) -> str:
    """`ntf_20261122T100700-…`: sorts by time; one per job, run and kind. A warning is told by its time alone: a new run
    that takes over the pod repeats it."""
    run = "" if kind in _WHILE_IT_RUNS else job.run
    what = hashlib.sha256(f"{job.id} {run} {kind}".encode()).hexdigest()[:16]
    return f"ntf_{at.astimezone(UTC):%Y%m%dT%H%M%S}-{what}"


def default_choice(kind: str, channel: str, *, watching: bool = False) -> bool:
    """In the app, by mail when a person would otherwise miss something that matters. What is told on request is told to
    those who watch, on every channel, and to nobody else."""
    if KINDS[kind].on_request:
        return watching
    return True if channel == "in_app" else KINDS[kind].mailed


def wants(preferences: Mapping[str, str], kind: str, channel: str, *, watching: bool = False) -> bool:
    stored = preferences.get(preference_name(kind, channel))
    return default_choice(kind, channel, watching=watching) if stored is None else stored == "on"


def is_wanted(preferences: Mapping[str, str], kind: str, *, watching: bool = False) -> bool:
    """On any channel at all."""
    return any(wants(preferences, kind, channel, watching=watching) for channel in CHANNELS)


def preference_name(kind: str, channel: str) -> str:
    return f"{PREFERENCE_PREFIX}{kind}.{channel}"
