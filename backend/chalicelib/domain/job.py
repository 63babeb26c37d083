"""A job: what was asked, where it stands, why it ended. Every legal transition is a function that returns the next job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain import end_reasons
from chalicelib.domain.checkpoint import EARLIER_CHECKPOINTS, Checkpoint
from chalicelib.domain.configuration import Configuration
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.estimate import Estimate
from chalicelib.domain.identity import User, may_change
from chalicelib.domain.origin import Origin
from chalicelib.domain.pause import Pause
from chalicelib.domain.person import Person


class JobStatus(StrEnum):
    PENDING_CONFIGURATION = "pending_configuration"
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    RECOVERING = "recovering"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"


class Stage(StrEnum):
    PREPROCESSING = "preprocessing"
    MODEL_LOADING = "model_loading"
    TRAINING = "training"
    FINALIZATION = "finalization"


FINAL = frozenset({JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.FAILED})
# A run exists or is about to: these hold a slot.
ACTIVE = frozenset(
    {
        JobStatus.PROVISIONING,
        JobStatus.RUNNING,
        JobStatus.RECOVERING,
        JobStatus.PAUSING,
        JobStatus.CANCELLING,
    }
)
# Still needs its dataset: all but drafts and what is over.
UNDER_WAY = frozenset(JobStatus) - FINAL - {JobStatus.PENDING_CONFIGURATION}
CANCELLABLE = frozenset(JobStatus) - FINAL - {JobStatus.CANCELLING, JobStatus.PENDING_CONFIGURATION}
DELETABLE = FINAL | {JobStatus.PENDING_CONFIGURATION}


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """The dataset as it was when the job was made; the sha256 is a pin."""

    id: str
    name: str
    key: str
    sha256: str
    format: str
    conversations: int
    training_pairs: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Cancellation:
    reason: str
    notes: str | None
    requested_by: Person
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the present run ends; written once, before the pod is ended, and obeyed by any restarted run."""

    error: str
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    name: str
    created_by: Person
    created_at: datetime
    changed_at: datetime
    dataset: DatasetRef
    configuration: Configuration
    status: JobStatus = JobStatus.PENDING_CONFIGURATION
    description: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    client_id: str | None = None
    project_id: str | None = None
    # Questions asked of base and adapter at the end, besides those of the validation split.
    sample_questions: tuple[str, ...] = ()
    estimate: Estimate | None = None
    spend_cap_usd: Decimal | None = None
    run: int = 0
    attempt: int = 0
    recoveries: int = 0
    # The attempt whose loss was counted last: one loss counts once, however often it is reported.
    lost_attempt: int = 0
    # When each loss was counted, over all its runs.
    losses: tuple[datetime, ...] = ()
    pauses: tuple[Pause, ...] = ()
    queued_at: datetime | None = None
    # Since `queued_at`: moved to the front of the queue, and taken by the dispatcher (the newest time; see domain/queue.py).
    promoted_at: datetime | None = None
    claimed_at: datetime | None = None
    # Who asked to be told about its way through the queue.
    watchers: tuple[Person, ...] = ()
    # What was told of that way, and when it came to be so (see domain/queue_news.py).
    told: tuple[tuple[str, datetime], ...] = ()
    not_before: datetime | None = None
    capacity_misses: int = 0
    # The job it was made of, if any.
    origin: Origin | None = None
    # What a queued job waits for besides a slot: "capacity" or "account".
    held_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stage: Stage | None = None
    ending: Ending | None = None
    end_reason: EndReason | None = None
    end_detail: str = ""
    cancellation: Cancellation | None = None
    checkpoint: Checkpoint | None = None
    # Before the newest, newest first: what a run falls back to when the newest turns out to be damaged.
    earlier_checkpoints: tuple[Checkpoint, ...] = ()
    cost_usd: Decimal | None = None
    cleanup_pending: bool = False
    model_id: str | None = None
    # Finish early, with an adapter, when the GPU has little to do for long.
    stop_on_low_gpu: bool = False
    # From the last step to the last file in storage; what reserves of later jobs are made of.
    closing_seconds: float | None = None
    version: int = 0

    @property
    def given_step(self) -> int:
        """Of the checkpoint it was made with; what another job trained already is neither estimated nor billed again."""
        return (self.origin.from_step or 0) if self.origin else 0

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_at_rest(self) -> bool:
        """Ended or paused, and no pod of it is billed."""
        return (self.is_final or self.status is JobStatus.PAUSED) and not self.cleanup_pending

    @property
    def end_sentence(self) -> str:
        return "" if self.end_reason is None else end_reasons.sentence(self.end_reason, self.end_detail)

    @property
    def paused_at(self) -> datetime | None:
        """When the newest pause left it without a GPU."""
        return self.pauses[-1].paused_at if self.pauses else None

    @property
    def kept_checkpoints(self) -> tuple[Checkpoint, ...]:
        """What a run may continue from, newest first."""
        return (*((self.checkpoint,) if self.checkpoint else ()), *self.earlier_checkpoints)

    def may_be_changed_by(self, user: User) -> bool:
        return may_change(user, self.created_by.id)


def _refuse(job: Job, verb: str) -> WrongStatus:
    return WrongStatus(
        f"Job cannot be {verb}: it is already {job.status.value.replace('_', ' ')}.",
        {"status": job.status.value},
    )


def start(job: Job, now: datetime) -> Job:
    """A draft enters the queue."""
    if job.status is not JobStatus.PENDING_CONFIGURATION:
        raise _refuse(job, "started")
    return replace(job, status=JobStatus.QUEUED, queued_at=now, changed_at=now)


def claim(job: Job, now: datetime) -> Job:
    """The dispatcher takes it: a new run, which holds a slot."""
    if job.status is not JobStatus.QUEUED:
        raise _refuse(job, "claimed")
    pauses = job.pauses
    if pauses and pauses[-1].over_at is None:
        pauses = (*pauses[:-1], replace(pauses[-1], over_at=now))
    return replace(
        job,
        status=JobStatus.PROVISIONING,
        run=job.run + 1,
        pauses=pauses,
        claimed_at=now,
        not_before=None,
        held_by=None,
        ending=None,
        changed_at=now,
    )


def new_attempt(job: Job, now: datetime) -> Job:
    """Another GPU is asked for. Last words of a pod that was given up may have made it running."""
    status = JobStatus.RECOVERING if job.status is JobStatus.RUNNING else job.status
    return replace(job, attempt=job.attempt + 1, status=status, changed_at=now)


def request_cancel(job: Job, cancellation: Cancellation) -> Job:
    """The intent, durable before anything is ended. Queued and paused jobs have no pod and end at once."""
    if job.status not in CANCELLABLE:
        raise _refuse(job, "cancelled")
    asked = replace(job, cancellation=cancellation, changed_at=cancellation.requested_at)
    if job.status in {JobStatus.QUEUED, JobStatus.PAUSED}:
        return _end(asked, JobStatus.CANCELLED, EndReason.USER_CANCELLED, "", cancellation.requested_at)
    return replace(asked, status=JobStatus.CANCELLING)


def enter_stage(job: Job, stage: Stage, now: datetime) -> Job:
    """The trainer is at work. Cancelling and pausing jobs keep their status; the stage is still noted. The last words
    of a pod that counts as lost do not bring the job back."""
    status = job.status
    if status in {JobStatus.PROVISIONING, JobStatus.RECOVERING} and job.attempt > job.lost_attempt:
        status = JobStatus.RUNNING
    return replace(job, status=status, stage=stage, started_at=job.started_at or now, changed_at=now)


def keep_checkpoint(job: Job, newest: Checkpoint, now: datetime) -> Job:
    """A newer verified checkpoint. Those of its step and beyond were left behind by a run that fell back to before
    them."""
    earlier = tuple(each for each in job.kept_checkpoints if each.step < newest.step)[:EARLIER_CHECKPOINTS]
    return replace(job, checkpoint=newest, earlier_checkpoints=earlier, changed_at=now)


def begin_ending(job: Job, error: str, cause: str, now: datetime) -> Job:
    """First reason wins; a second one changes nothing."""
    if job.ending is not None:
        return job
    return replace(job, ending=Ending(error, cause, now), changed_at=now)


def requeue(job: Job, not_before: datetime, now: datetime, *, held_by: str = "capacity") -> Job:
    """No GPU was to be had: back to the same place in the queue, not before the given time. Waiting for the
    provider's account to be put right counts as no miss."""
    missed = 1 if held_by == "capacity" else 0
    return replace(
        job,
        status=JobStatus.QUEUED,
        not_before=not_before,
        capacity_misses=job.capacity_misses + missed,
        held_by=held_by,
        ending=None,
        changed_at=now,
    )


def complete(job: Job, model_id: str, reason: EndReason, cost_usd: Decimal, now: datetime) -> Job:
    return replace(
        _end(job, JobStatus.COMPLETED, reason, "", now),
        model_id=model_id,
        cost_usd=cost_usd,
        stage=Stage.FINALIZATION,
    )


def end(job: Job, reason: EndReason, detail: str, cost_usd: Decimal, now: datetime) -> Job:
    """Cancelled or failed, as the reason says."""
    status = JobStatus(end_reasons.status_of(reason))
    return replace(_end(job, status, reason, detail, now), cost_usd=cost_usd)


def _end(job: Job, status: JobStatus, reason: EndReason, detail: str, now: datetime) -> Job:
    return replace(
        job,
        status=status,
        end_reason=reason,
        end_detail=detail,
        ended_at=now,
        not_before=None,
        held_by=None,
        changed_at=now,
    )
