"""Defects planted into real code, to see whether the invariants see them. Each is a small variant of a function that
is put in its place while a block runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from types import ModuleType
from typing import Any

from chalicelib.domain import recovery, trainer_events
from chalicelib.domain.attempt import Attempt
from chalicelib.domain.errors import AppError, ProviderError, ProviderReplyLost
from chalicelib.domain.gpu import Candidate, Pod
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.progress import Progress
from chalicelib.domain.queue import Slots
from chalicelib.use_cases import (
    again,
    await_stage,
    cancel_job,
    check_spending,
    dispatch_queue,
    evaluate_wait,
    poll_pod,
    prepare_recovery,
    provision_pod,
    record_events,
    settle_job,
    sweep_pods,
    terminate_pod,
)
from chalicelib.use_cases.provision_pod import Desk, Landlord

from tests.lifecycle import steps
from tests.lifecycle import world as worlds

Patch = tuple[ModuleType, str, Any]


@dataclass(frozen=True)
class Planted:
    """scenarios: where it is looked for, in this order. suspects: the effects whose faults are tried first."""

    name: str
    patches: tuple[Patch, ...]
    scenarios: tuple[str, ...]
    suspects: tuple[str, ...] = ()


@contextmanager
def planting(planted: Planted) -> Iterator[None]:
    """The defect is in the code inside the block, and nowhere after it."""
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in planted.patches]
    for owner, name, variant in planted.patches:
        setattr(owner, name, variant)
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


# --- variants -------------------------------------------------------------------------------------------------

_wait_judged = evaluate_wait.evaluate_wait
_settled = settle_job.settle_job
_terminated = terminate_pod.terminate_pod
_asked = provision_pod._ask
_intended = provision_pod._intend
_is_stray = sweep_pods._is_stray
_deleted = terminate_pod._delete_all
_counted = recovery.begin_recovery
_cancelled = cancel_job.cancel_job
_wanted = provision_pod._wanted
_recovered = prepare_recovery.prepare_recovery
_folded = trainer_events.fold


def _judges_the_row_from_before(row: Progress, **named: Any) -> str:
    """The token of the wait before stands in the row that was read before the new one was stored."""
    before = replace(row, token=None if row.token is None else f"before-{row.token}")
    return _wait_judged(before, **named)


def _asks_again_blindly(
    job: Job,
    attempt: Attempt,
    candidate: Candidate,
    desk: Desk,
    landlord: Landlord,
    refusals: list[bool],
) -> Pod | None:
    request = provision_pod._pod_request(job, attempt, candidate, desk, landlord)
    try:
        return desk.cloud.create(request)
    except ProviderReplyLost:
        return desk.cloud.create(request)


def _counts_a_failed_read_as_nobody(pod: Pod, broom: sweep_pods.Broom) -> bool:
    try:
        return _is_stray(pod, broom)
    except AppError:
        return True


def _takes_two(slots: Slots, job_id: str) -> Slots | None:
    return replace(slots, holders=(*slots.holders, job_id, job_id)) if slots.free else None


def _knows_no_limit(slots: Slots, **_: Any) -> Slots:
    return replace(slots, limit=99)


def _forgets_the_slot(slots: Slots, job_id: str) -> Slots:
    return slots


def _settles_whatever_runs(job_id: str, run: int, *, books: settle_job.Books, **named: Any) -> dict[str, Any]:
    return _settled(job_id, again.the_job(books.jobs, job_id).run, books=books, **named)


def _terminates_whatever_runs(job_id: str, run: int, **named: Any) -> dict[str, Any]:
    return _terminated(job_id, again.the_job(named["jobs"], job_id).run, **named)


def _signals_before_it_writes(job_id: str, **named: Any) -> Job:
    row = named["progress"].get(job_id)
    if row is not None and row.token is not None:
        named["workflow"].fail_wait(row.token, "JobCancelled", "asked by a person")
    return _cancelled(job_id, **named)


def _uses_the_number_again(
    job: Job, number: int, candidate: Candidate, desk: Desk, landlord: Landlord
) -> Attempt:
    return _intended(job, max(1, job.attempt), candidate, desk, landlord)


def _desk_with_one_fence(*ports: Any) -> Desk:
    return replace(Desk(*ports), new_fence=lambda: "00000000")


def _takes_an_error_for_gone(*arguments: Any) -> list[Pod]:
    try:
        return _deleted(*arguments)
    except ProviderError:
        return []


def _folds_whatever_comes(progress: Progress, first_sequence: int, events: Any, now: datetime) -> Any:
    return _folded(progress, progress.next_sequence, events, now)


def _checks_nothing(*arguments: Any) -> None:
    return None


def _counts_a_repetition(job: Job, lost_attempt: int, now: datetime) -> Job:
    return _counted(replace(job, lost_attempt=0), lost_attempt, now)


def _tells_only_the_first_time(
    job_id: str, run: int, *, books: settle_job.Books, **named: Any
) -> dict[str, Any]:
    if again.the_job(books.jobs, job_id).is_final:
        books = replace(books, tell=lambda kind, job: None)
    return _settled(job_id, run, books=books, **named)


def _looks_once(attempt: Attempt, cloud: Any, sleep: Callable[[float], None]) -> Pod | None:
    return next((pod for pod in cloud.list(attempt.pod_name) if pod.name == attempt.pod_name), None)


def _keeps_no_books(job: Job, attempts: Any, *, costs: Any, now: datetime) -> None:
    return None


def _knows_no_cap(progress: Progress, now: datetime, *, ahead_seconds: float = 0) -> Progress:
    return progress


def _wants_what_is_not_active(job: Job, run: int) -> Job:
    """As it was: only a final status ended a run."""
    if job.status in {JobStatus.QUEUED, JobStatus.PAUSED}:
        return job
    return _wanted(job, run)


def _takes_the_present_attempt(job_id: str, run: int, lost_attempt: int, **named: Any) -> dict[str, Any]:
    return _recovered(job_id, run, None, **named)


_LOST = "pod lost at training"
_HAPPY = "happy path"

PLANTED: tuple[Planted, ...] = (
    Planted(
        "token read before it is stored",
        ((await_stage, "evaluate_wait", _judges_the_row_from_before),),
        (_HAPPY,),
    ),
    Planted(
        "create asked again after a lost reply",
        ((provision_pod, "_ask", _asks_again_blindly),),
        (_HAPPY,),
        ("cloud.create",),
    ),
    Planted(
        "sweeper acts on a failed read",
        ((sweep_pods, "_is_stray", _counts_a_failed_read_as_nobody),),
        (_HAPPY,),
        ("jobs.get",),
    ),
    Planted("slot counted twice", ((dispatch_queue, "take", _takes_two),), (_HAPPY,)),
    Planted(
        "slot taken without looking",
        ((dispatch_queue, "replace", _knows_no_limit),),
        ("queue of three, one slot",),
    ),
    Planted("settlement forgets the slot", ((settle_job, "release", _forgets_the_slot),), (_HAPPY,)),
    Planted(
        "slot released by an old run",
        ((worlds, "settle_job", _settles_whatever_runs),),
        (_HAPPY, _LOST),
        ("workflow.start",),
    ),
    Planted(
        "pod ended by an old run",
        ((steps, "terminate_pod", _terminates_whatever_runs),),
        (_HAPPY, _LOST),
        ("workflow.start",),
    ),
    Planted(
        "intent written after the signal",
        ((worlds, "cancel_job", _signals_before_it_writes),),
        ("cancel at training",),
        ("workflow.fail_wait",),
    ),
    Planted("attempt number used again", ((provision_pod, "_intend", _uses_the_number_again),), (_LOST,)),
    Planted("name without fence", ((worlds, "Desk", _desk_with_one_fence),), ("no capacity",)),
    Planted(
        "deletion counted as done on a 500",
        ((terminate_pod, "_delete_all", _takes_an_error_for_gone),),
        (_HAPPY,),
        (
            "cloud.delete",
            "cloud.list",
        ),
    ),
    Planted(
        "repeated batch counted twice",
        ((record_events, "fold", _folds_whatever_comes),),
        (_HAPPY,),
        ("webhook.events",),
    ),
    Planted(
        "checkpoint pointer moved without a check",
        ((record_events, "_missing", _checks_nothing),),
        ("a checkpoint that is not stored",),
    ),
    Planted(
        "recovery counted twice",
        ((prepare_recovery, "begin_recovery", _counts_a_repetition),),
        (_LOST,),
        ("step.PrepareRecovery",),
    ),
    Planted(
        "ending told only once tried",
        ((worlds, "settle_job", _tells_only_the_first_time),),
        (_HAPPY,),
        ("jobs.save_with_slots",),
    ),
    Planted("pod lost after one look", ((poll_pod, "_find", _looks_once),), (_HAPPY,), ("cloud.list",)),
    Planted(
        "books not kept",
        ((settle_job, "post_costs", _keeps_no_books), (sweep_pods, "post_costs", _keeps_no_books)),
        (_HAPPY,),
    ),
    Planted(
        "cap not watched",
        ((trainer_events, "check_money", _knows_no_cap), (check_spending, "check_money", _knows_no_cap)),
        ("spend cap of a silent pod",),
    ),
    Planted(
        "late step rents for a settled run",
        ((provision_pod, "_wanted", _wants_what_is_not_active),),
        ("pause in training",),
        ("step.ProvisionPod",),
    ),
    Planted(
        "late step takes the next pod for lost",
        ((steps, "prepare_recovery", _takes_the_present_attempt),),
        (_LOST,),
        ("step.PrepareRecovery",),
    ),
)
