"""What must hold, whatever goes wrong: each promise has a name, a sentence, and a way to look.

`always` is looked at after every tick and on every call of a port, `at_rest` once nothing moves any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.domain.checkpoint import checkpoint_prefix
from chalicelib.domain.job import ACTIVE, JobStatus

from tests.lifecycle.faults import at_rest
from tests.lifecycle.faults.at_rest import attempts_of
from tests.lifecycle.faults.observer import is_wanted

if TYPE_CHECKING:
    from tests.lifecycle.faults.play import Play

Look = Callable[["Play"], Iterator[str]]


@dataclass(frozen=True)
class Invariant:
    name: str
    promise: str
    look: Look
    at_rest: bool = False


def _one_pod(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        wanted = [pod.id for pod in play.world.pods(job_id) if is_wanted(play, pod)]
        attempt = play.world.attempts.rows.get((job_id, play.job(job_id).attempt))
        if len(wanted) > 1 and attempt is not None and attempt.pod_id is not None:
            yield f"{job_id} wants {wanted}"


def _no_double_ask(play: Play) -> Iterator[str]:
    names = Counter(play.seen.asked_names)
    yield from (f"{name} was asked for {count} times" for name, count in names.items() if count > 1)


def _rented_for_somebody(play: Play) -> Iterator[str]:
    yield from play.seen.rented_for_nobody


def _wanted_is_kept(play: Play) -> Iterator[str]:
    yield from play.seen.wrong_deletes


def _slots(play: Play) -> Iterator[str]:
    slots = play.world.jobs._slots
    active = {job_id for job_id in play.job_ids if play.job(job_id).status in ACTIVE}
    holders = list(slots.holders)
    if len(holders) != len(set(holders)) or set(holders) != active:
        yield f"held by {holders}, active are {sorted(active)}"
    if len(holders) > play.world.limit:
        yield f"{len(holders)} slots are taken of {play.world.limit}"


def _checkpoint(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        now, before = play.job(job_id).checkpoint, play.seen_before(job_id).checkpoint
        if now == before:
            continue
        if now is None or (before is not None and (now.attempt, now.step) < (before.attempt, before.step)):
            yield f"{job_id}: the pointer moved from {before} back to {now}"
            continue
        folder = checkpoint_prefix(job_id, now.attempt, now.path)
        missing = [file.name for file in now.files if folder + file.name not in play.world.files.objects]
        if missing:
            yield f"{job_id}: the pointer names {missing} of step {now.step}, which are not in storage"


def _final(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        before, now = play.seen_before(job_id), play.job(job_id)
        if before.is_final and now.status is not before.status:
            yield f"{job_id}: {before.status.value} → {now.status.value}"


def _counted_forward(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        before, now = play.seen_before(job_id), play.job(job_id)
        resumed = now.queued_at != before.queued_at  # what was lost before counts no more
        for name in ("run", "attempt", *(() if resumed else ("recoveries",))):
            if getattr(now, name) < getattr(before, name):
                yield f"{job_id}: {name} fell from {getattr(before, name)} to {getattr(now, name)}"
        # The job is written first: the attempt it has counted may not have been closed yet.
        lost = sum(
            each.end == "lost" or each.number == now.lost_attempt for each in attempts_of(play, job_id)
        )
        if now.recoveries > lost:
            yield f"{job_id}: {now.recoveries} recoveries for {lost} lost pods"


def _attempts_kept(play: Play) -> Iterator[str]:
    """A pod that an attempt had taken stays in the books of that attempt."""
    for (job_id, number), pod_id in play.seen.taken.items():
        attempt = play.world.attempts.rows.get((job_id, number))
        if attempt is None or attempt.pod_id != pod_id:
            yield f"attempt {number} of {job_id} forgot its pod {pod_id}"


def _shown_as_it_is(play: Play) -> Iterator[str]:
    yield from play.seen.shown_wrongly


def _awake(play: Play) -> Iterator[str]:
    yield from play.seen.sleepers


def _asked_for(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        job = play.job(job_id)
        if job.status in {JobStatus.CANCELLING, JobStatus.CANCELLED} and job.cancellation is None:
            yield f"{job_id} is {job.status.value}, and nobody asked for it"


def _ended_is_unbilled(play: Play) -> Iterator[str]:
    """Unless a list lied to us."""
    if play.injector.lists_lied:
        return
    billed = play.world.cloud.billed_pods
    for attempt in play.world.attempts.rows.values():
        if attempt.end == "terminated" and attempt.pod_id in billed:
            yield f"{attempt.pod_name} counts as terminated and is billed"


ALL: tuple[Invariant, ...] = (
    Invariant("one-pod", "a job never has two pods that are wanted", _one_pod),
    Invariant("ask-once", "no pod name is ever asked for twice", _no_double_ask),
    Invariant("rent-for-a-run", "no GPU is asked for by a job that has no run", _rented_for_somebody),
    Invariant("wanted-kept", "no pod at work is deleted unless its run is ending", _wanted_is_kept),
    Invariant("slots", "slots are held by exactly the active jobs and never exceed the limit", _slots),
    Invariant(
        "checkpoint-forward", "a checkpoint pointer moves forward, to files that are there", _checkpoint
    ),
    Invariant("final-is-final", "a job that has ended stays ended", _final),
    Invariant(
        "counted-forward", "runs, attempts, recoveries only grow; one recovery a loss", _counted_forward
    ),
    Invariant("attempts-kept", "an attempt never forgets its pod", _attempts_kept),
    Invariant("awake", "no wait sleeps on when its row says that it is over", _awake),
    Invariant("shown-as-it-is", "no job is shown running while its GPU is known to be lost", _shown_as_it_is),
    Invariant("cancel-was-asked", "nothing is cancelled that nobody cancelled", _asked_for),
    Invariant("ended-is-unbilled", "what counts as terminated is not billed", _ended_is_unbilled),
    Invariant("strays-go", "a pod of nobody is gone within four minutes", at_rest.strays_go),
    Invariant(
        "comes-to-rest",
        "every job ends or is paused, with nothing left to clean",
        at_rest.everyone_rests,
        at_rest=True,
    ),
    Invariant(
        "nothing-billed",
        "no pod is billed for nobody once all is quiet",
        at_rest.nothing_billed,
        at_rest=True,
    ),
    Invariant("books", "job, attempts and cost records agree to the cent", at_rest.books, at_rest=True),
    Invariant("bill", "attempts and strays together are the provider's bill", at_rest.bill, at_rest=True),
    Invariant(
        "within-cap",
        "no job costs more than its cap and the minute it takes to see it",
        at_rest.within_cap,
        at_rest=True,
    ),
    Invariant(
        "metrics-once", "every acknowledged point is stored, none twice", at_rest.metrics, at_rest=True
    ),
    Invariant("log", "log lines are numbered without gap or double", at_rest.log, at_rest=True),
    Invariant("told-once", "the ending is told exactly once", at_rest.told_once, at_rest=True),
    Invariant(
        "no-open-wait", "no wait, token, intent or fence outlives its run", at_rest.no_open_wait, at_rest=True
    ),
    Invariant("model", "a completed job has its model with all its files", at_rest.model, at_rest=True),
    Invariant(
        "ends-as-it-should",
        "one fault changes no ending and costs no pod",
        at_rest.as_it_should_end,
        at_rest=True,
    ),
)


@dataclass(frozen=True)
class Violation:
    invariant: str
    what: str


def violations(play: Play, *, at_rest: bool) -> list[Violation]:
    return [Violation(each.name, what) for each in ALL if each.at_rest is at_rest for what in each.look(play)]
