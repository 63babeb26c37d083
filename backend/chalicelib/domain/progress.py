"""What arrives every few seconds: one monotonic row per job. Also holds the wait of the state machine and the intent
that may end it, so that whoever writes either one sees both (see `decide`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any


class Reached(IntEnum):
    """High-water mark of the present attempt: what the waits of the state machine wait for."""

    NOTHING = 0
    AGENT = 1
    PREPROCESSING = 2
    MODEL_LOADING = 3
    TRAINING = 4
    FINALIZATION = 5


# Code of the trainer's last words when the provider ends its machine.
TAKEN_AWAY = "sigterm"

# Name of the Await state -> what ends it.
AWAITED: Mapping[str, Reached] = {
    "AwaitAgent": Reached.AGENT,
    "AwaitPreprocessing": Reached.PREPROCESSING,
    "AwaitModelLoading": Reached.MODEL_LOADING,
    "AwaitTraining": Reached.TRAINING,
    "AwaitFinalization": Reached.FINALIZATION,
}
STAGE_REACHED: Mapping[str, Reached] = {
    "preprocessing": Reached.PREPROCESSING,
    "model_loading": Reached.MODEL_LOADING,
    "training": Reached.TRAINING,
    "finalization": Reached.FINALIZATION,
}


class Intent(StrEnum):
    """What was decided about the run; the trainer is told by the word of the same name."""

    PAUSE = "pause"
    CANCEL = "cancel"
    FINISH = "finish"
    HARD_CAP = "hard_cap"


_STRENGTH: Mapping[Intent | None, int] = {
    None: 0,
    Intent.FINISH: 1,
    Intent.PAUSE: 2,
    Intent.HARD_CAP: 3,
    Intent.CANCEL: 4,
}


@dataclass(frozen=True, slots=True)
class StageRecord:
    state: str = "pending"  # pending, active, completed, failed
    message: str | None = None
    progress: float = 0.0
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of the event log. number: 0, 1, 2 … per job, given when it is saved with the progress row."""

    number: int
    at: datetime
    type: str  # status, metrics, checkpoint, warning, error, info
    message: str
    attempt: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Money:
    """What the present attempt may spend; kept here so that every batch of events can check it."""

    rate_usd_per_hour: Decimal
    billed_since: datetime
    spent_before_usd: Decimal
    cap_usd: Decimal | None
    reserve_usd: Decimal
    # Of the reserve: how long it lasts, and how many jobs that was measured on (0: assumed).
    reserve_seconds: int = 0
    measured_from_jobs: int = 0

    def spent_usd(self, now: datetime) -> Decimal:
        seconds = Decimal(str(max(0.0, (now - self.billed_since).total_seconds())))
        return (self.spent_before_usd + seconds * self.rate_usd_per_hour / 3600).quantize(Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class Progress:
    job_id: str
    run: int = 0
    attempt: int = 0
    fence: str = ""
    incarnation: int = 0
    # Processes of this attempt that said hello, newest last.
    processes: tuple[str, ...] = ()
    # How many of them ended without a word since the last one that got a step further, and that step.
    silent_ends: int = 0
    step_at_hello: int = 0
    next_sequence: int = 0
    # the wait
    token: str | None = None
    waiting_for: str | None = None
    intent: Intent | None = None
    reached: Reached = Reached.NOTHING
    deadlines: Mapping[str, datetime] = field(default_factory=dict)
    provisioning_since: datetime | None = None
    terminate_since: datetime | None = None
    # what is known of the trainer
    hello_at: datetime | None = None
    last_event_at: datetime | None = None
    stopping: str | None = None
    trainer_error: Mapping[str, Any] | None = None
    artifacts: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    certificate: Mapping[str, Any] | None = None
    stages: Mapping[str, StageRecord] = field(default_factory=dict)
    step: int = 0
    epoch: float = 0.0
    latest: Mapping[str, Any] = field(default_factory=dict)
    previous: Mapping[str, Any] = field(default_factory=dict)
    base_validation_loss: float | None = None
    # (seconds since epoch, step) at the end of the last forty batches with points, for the step rate
    pace: tuple[tuple[float, int], ...] = ()
    money: Money | None = None
    # Why `finish` was asked for: spend_cap or low_gpu.
    finish_reason: str | None = None
    gpu_low_since: datetime | None = None
    # Warnings that were given, and when.
    warned: Mapping[str, datetime] = field(default_factory=dict)
    watched_until: datetime | None = None
    # cursors
    revision: int = 0
    points: int = 0
    # The furthest step with a training loss, and the revision that last gave one at or before it.
    furthest_step: int = 0
    corrected_revision: int = 0
    event_count: int = 0
    version: int = 0


def stronger(present: Intent | None, wanted: Intent) -> Intent:
    """Cancel beats everything, a hard cap beats a pause, a pause beats finishing early."""
    return wanted if _STRENGTH[wanted] >= _STRENGTH[present] or present is None else present


def for_new_attempt(progress: Progress, run: int, attempt: int, fence: str) -> Progress:
    """Counters that belong to the pod start anew; curves, events and cursors go on. What was wanted of an earlier run
    is over; what is wanted of this one is in the job too, where every wait looks."""
    return replace(
        progress,
        run=run,
        intent=progress.intent if progress.run == run else None,
        attempt=attempt,
        fence=fence,
        incarnation=0,
        processes=(),
        silent_ends=0,
        step_at_hello=progress.step,
        next_sequence=0,
        reached=Reached.NOTHING,
        deadlines={},
        hello_at=None,
        last_event_at=None,
        stopping=None,
        trainer_error=None,
        artifacts=None,
        terminate_since=None,
        pace=(),
        stages={},
        gpu_low_since=None,
    )


@dataclass(frozen=True, slots=True)
class Release:
    """How the present wait must end. error None: it succeeds."""

    error: str | None
    cause: str


def decide(progress: Progress, now: datetime) -> Release | None:
    """What the present wait should end with, from the row alone; None: keep waiting.

    Level-triggered: stages already reached end their own wait at once, so a restarted run, a lost signal or an event
    that came before the token all take the same path.
    """
    waiting_for = progress.waiting_for
    if waiting_for is None or progress.token is None:
        return None
    stopped = _stopped_by_intent(progress, waiting_for)
    if stopped is not None:
        return stopped
    if waiting_for == "BackOff":
        return None
    if waiting_for == "AwaitCheckpoint":
        return _paused(progress, now)
    if progress.reached >= AWAITED[waiting_for]:
        return Release(None, f"reached {progress.reached.name.lower()}")
    if progress.trainer_error is not None:
        return Release("TrainingFailed", str(progress.trainer_error.get("message", "")))
    if progress.stopping == TAKEN_AWAY:
        return Release("PodInterrupted", "the provider takes the machine away")
    return _passed_deadline(progress, waiting_for, now)


def _paused(progress: Progress, now: datetime) -> Release | None:
    """The end of the wait for a pause's checkpoint."""
    if progress.reached is Reached.FINALIZATION:
        return Release("TrainingFinished", "the result was stored before the pause was heard")
    if progress.stopping == "paused":
        return Release(None, "checkpoint stored")
    if progress.reached < Reached.MODEL_LOADING:
        return Release(None, "training had not begun on this pod")
    if progress.trainer_error is not None:
        return Release(None, "the trainer failed; what was stored before is kept")
    late = _passed_deadline(progress, "AwaitCheckpoint", now)
    return Release(None, "no checkpoint in time; the one before is used") if late else None


def _stopped_by_intent(progress: Progress, waiting_for: str) -> Release | None:
    if progress.intent is Intent.CANCEL:
        return Release("JobCancelled", "asked by a person")
    if progress.intent is Intent.HARD_CAP:
        return Release("HardCapReached", "the spend cap is reached")
    if progress.intent is Intent.PAUSE and waiting_for != "AwaitCheckpoint":
        return Release("PauseRequested", "asked by a person")
    return None


def _passed_deadline(progress: Progress, waiting_for: str, now: datetime) -> Release | None:
    deadline = progress.deadlines.get(waiting_for)
    if deadline is not None and now >= deadline:
        return Release("DeadlinePassed", f"{waiting_for} took longer than allowed")
    return None


def command(progress: Progress, *, job_is_ending: bool = False) -> str:
    """The word sent to the trainer with every reply."""
    if job_is_ending or progress.intent in {Intent.CANCEL, Intent.HARD_CAP}:
        return "cancel"
    return progress.intent.value if progress.intent else "continue"


def check_money(progress: Progress, now: datetime, *, ahead_seconds: float = 0) -> Progress:
    """The same row, or with the intent that the spend cap asks for. ahead_seconds: until the cap is looked at again."""
    money = progress.money
    if money is None or money.cap_usd is None:
        return progress
    spent = money.spent_usd(now)
    if max(spent, money.spent_usd(now + timedelta(seconds=ahead_seconds))) >= money.cap_usd:
        return replace(progress, intent=stronger(progress.intent, Intent.HARD_CAP))
    near = spent >= money.cap_usd - money.reserve_usd and progress.reached < Reached.FINALIZATION
    if not near:
        return progress
    asked = replace(progress, intent=stronger(progress.intent, Intent.FINISH))
    return replace(asked, finish_reason=progress.finish_reason or "spend_cap")
