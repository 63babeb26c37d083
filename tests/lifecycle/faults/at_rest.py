"""What must hold once nothing moves any more: see `invariants`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.gpu import Pod
from chalicelib.domain.job import FINAL, Job, JobStatus

from tests.lifecycle.faults.agent import STEPS

if TYPE_CHECKING:
    from tests.lifecycle.faults.play import Play

REST = FINAL | {JobStatus.PAUSED}
_CENT = Decimal("0.01")
# The sweeper looks once a minute, and one look may fail.
_LOOKED_AT_WITHIN_SECONDS = 180


def everyone_rests(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        job = play.job(job_id)
        if job.status not in REST or job.cleanup_pending:
            yield f"{job_id} is {job.status.value}, cleanup pending: {job.cleanup_pending}"
    if play.world.terminations.rows:
        yield f"open terminations: {sorted(play.world.terminations.rows)}"


def nothing_billed(play: Play) -> Iterator[str]:
    yield from (f"{pod.name} is billed for nobody" for pod in play.world.cloud.billed_pods.values())


def strays_go(play: Play) -> Iterator[str]:
    yield from play.seen.old_strays


def books(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        job, attempts = play.job(job_id), attempts_of(play, job_id)
        costs = sum((each.cost_usd(play.world.clock.now) for each in attempts), Decimal(0))
        records = [record for record in play.world.costs.of_job(job_id) if record.type != "leaked"]
        written = sum((record.amount_usd for record in records), Decimal(0))
        if (job.cost_usd or Decimal(0)) != costs or written != costs:
            yield f"{job_id}: the job says {job.cost_usd}, its attempts {costs}, the books {written}"


def bill(play: Play) -> Iterator[str]:
    """Every pod the provider billed is an attempt's, and what it cost beyond that, or without one, is a leak in the books.

    Until they are settled, the books know of a stray only what was seen of it, and of its end only once it was noticed.
    """
    attempts = {each.pod_id: each for each in play.world.attempts.rows.values() if each.pod_id is not None}
    lines = [record for record in play.world.costs.rows.values() if record.type == "leaked"]
    leaked = {line.pod_id: line.amount_usd for line in lines}
    if len(leaked) != len(lines):
        yield f"a pod leaks twice: {sorted(line.key for line in lines)}"
    for pod in play.cloud.all_pods:
        billed, beyond = play.cloud.bill_usd(pod.id), leaked.get(pod.id, Decimal(0))
        attempt = attempts.get(pod.id)
        if attempt is None:
            if beyond > billed + _noticed_late(play, pod) + _CENT:
                yield f"{pod.name} was billed ${billed:.4f} for nobody, the books say ${beyond}"
            continue
        ours = attempt.cost_usd(play.world.clock.now) + beyond
        exact = attempt.billed_usd is not None or play.exact_bill
        allowed = _CENT if exact else _noticed_late(play, pod) + _CENT
        if abs(ours - billed) > allowed:
            yield f"{pod.name} was billed ${billed:.4f}, the attempt and its leak say ${ours}"


def _noticed_late(play: Play, pod: Pod) -> Decimal:
    """What a provisional line may be off by."""
    return max(price for _, price in play.cloud.prices[pod.id]) * play.noticed_within_seconds / 3600


def within_cap(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        job = play.job(job_id)
        pods = [pod.id for pod in play.cloud.all_pods if f"-{job_id}-" in pod.name]
        rate = max((price for pod_id in pods for _, price in play.cloud.prices[pod_id]), default=Decimal(0))
        over = (job.cost_usd or Decimal(0)) - (job.spend_cap_usd or Decimal("Infinity"))
        if over > rate * _LOOKED_AT_WITHIN_SECONDS / 3600:
            yield f"{job_id} cost {job.cost_usd}, its cap is {job.spend_cap_usd}"


def metrics(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        diary = play.diaries[job_id]
        stored = Counter(
            float(row["grad_norm"]) for block in play.world.progress.blocks(job_id) for row in block.rows
        )
        doubled = [number for number, count in stored.items() if count > 1]
        if doubled:
            yield f"{job_id}: points {doubled} are stored twice"
        if lost := diary.acknowledged - stored.keys():
            yield f"{job_id}: acknowledged points {sorted(lost)} are not stored"
        row = play.world.progress.rows.get(job_id)
        if row is not None and row.points != sum(stored.values()):
            yield f"{job_id}: the row counts {row.points} points of {sum(stored.values())}"
        job = play.job(job_id)
        if job.status is JobStatus.COMPLETED and "spend_cap" not in str(job.end_reason):
            steps = {diary.made[number][1] for number in stored}
            if steps != set(range(1, STEPS + 1)):
                yield f"{job_id} completed with steps {sorted(steps)}"
        if diary.wrong_links:
            yield f"{job_id}: links outside the attempt's folder: {diary.wrong_links}"


def log(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        numbers = [event.number for event in play.world.progress.events(job_id)]
        row = play.world.progress.rows.get(job_id)
        if numbers != list(range(row.event_count if row else 0)):
            yield f"{job_id}: log lines {numbers}"


_TOLD = {
    JobStatus.COMPLETED: "job_completed",
    JobStatus.FAILED: "job_failed",
    JobStatus.CANCELLED: "job_cancelled",
}


def told_once(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        rows = [row for row in play.world.notifications.rows.values() if str(row.link).endswith(job_id)]
        told = sorted(row.type for row in rows if row.type in _TOLD.values())
        status = play.job(job_id).status
        if told != ([_TOLD[status]] if status in _TOLD else []):
            yield f"{job_id} is {status.value}, told was {told}"
    mails = Counter(mail["subject"] for mail in play.world.notifier.mails)
    yield from (f"{subject!r} was mailed {count} times" for subject, count in mails.items() if count > 1)


def no_open_wait(play: Play) -> Iterator[str]:
    for execution in play.world.machine.executions.values():
        if execution.status == "RUNNING":
            yield f"{execution.name} still runs in {execution.state}"
    for job_id in play.job_ids:
        row = play.world.progress.rows.get(job_id)
        if row is None:
            continue
        # What somebody wants after the end, or learns too late to have ended, is no concern of the next run's; nor is
        # the token of a run that another one followed.
        intent = None if play.injector.is_crossed else row.intent
        token = None if row.run < play.job(job_id).run else row.token
        if (token, intent, row.fence) != (None, None, ""):
            yield f"{job_id}: token {token}, intent {intent}, fence {row.fence!r} are left"


def model(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        job = play.job(job_id)
        if job.status is not JobStatus.COMPLETED:
            continue
        model: Any = play.world.models.rows.get(str(job.model_id))
        if model is None:
            yield f"{job_id} completed without its model {job.model_id}"
        elif missing := [file.key for file in model.files if file.key not in play.world.files.objects]:
            yield f"{job_id}: the model's files {missing} are not in storage"


def as_it_should_end(play: Play) -> Iterator[str]:
    for job_id in play.job_ids:
        job = play.job(job_id)
        if job.status in REST and job.status not in play.ends:
            yield f"{job_id} ended {job.status.value} ({job.end_reason}: {job.end_detail})"
        if job.recoveries > play.losses:
            yield f"{job_id} was recovered {job.recoveries} times for {play.losses} losses"


def attempts_of(play: Play, job_id: str) -> list[Attempt]:
    return list(play.world.attempts.of_job(job_id))


def unfinished(job: Job) -> bool:
    return job.status not in REST or job.cleanup_pending
