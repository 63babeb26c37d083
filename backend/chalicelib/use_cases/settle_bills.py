"""Holds the books against the provider's bill, pod by pod. A correction of a cent or more is in the audit log and in
the job's event log; nothing is corrected in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.bill import WORTH_SAYING_USD, Shares, is_final, share
from chalicelib.domain.cost import LEAKED, CostRecord
from chalicelib.domain.errors import AppError
from chalicelib.domain.gpu import PodBill
from chalicelib.domain.job import Job
from chalicelib.ports import AttemptStore, AuditLog, CostStore, GpuCloud, JobStore, ProgressStore
from chalicelib.use_cases.again import again, change_job
from chalicelib.use_cases.post_costs import cost_record
from chalicelib.use_cases.say import say

# Older lines are left as they are: the provider shows 30 days, and a bill cut off by that would look too low.
_OLDEST = timedelta(days=25)
_MOST_PODS = 300


@dataclass(frozen=True, slots=True)
class Auditor:
    """The ports this use case works with."""

    deployment: str
    jobs: JobStore
    progress: ProgressStore
    attempts: AttemptStore
    costs: CostStore
    cloud: GpuCloud
    audit: AuditLog
    timings: Mapping[str, float]
    now: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    settled: int
    corrected_usd: Decimal
    still_provisional: int


def settle_bills(auditor: Auditor) -> Settled:
    """Settles every pod whose bill is due, the oldest first. One that fails is tried again the next time."""
    now = auditor.now
    open_lines = [
        line for line in auditor.costs.between(now - _OLDEST, now) if line.provisional and line.pod_id
    ]
    billed = {pod.id for pod in auditor.cloud.list(f"{auditor.deployment}-job_") if pod.is_billed}
    pods = list(dict.fromkeys((line.job_id, line.pod_id) for line in open_lines if line.pod_id not in billed))
    settled, corrected = 0, Decimal(0)
    for job_id, pod_id in pods[:_MOST_PODS]:
        try:
            difference = _settle_pod(job_id, pod_id, auditor)
        except AppError:
            continue
        if difference is not None:
            settled += 1
            corrected += abs(difference)
    return Settled(settled, corrected, len(pods) - settled)


def _settle_pod(job_id: str, pod_id: str, auditor: Auditor) -> Decimal | None:
    """What the provider billed beyond our count; None while its bill is not due."""
    own = next((each for each in auditor.attempts.of_job(job_id) if each.pod_id == pod_id), None)
    if own is not None and own.status is not AttemptStatus.ENDED:
        return None
    lines = [line for line in auditor.costs.of_job(job_id) if line.pod_id == pod_id]
    leaked = next((line for line in lines if line.type == LEAKED), None)
    bill = auditor.cloud.billing(pod_id)
    counted = _counted(own, leaked, auditor.now)
    ended_at = max((line.at for line in lines), default=auditor.now)
    rate = max((sample.usd_per_hour for sample in own.rates), default=Decimal(0)) if own else Decimal(0)
    if bill is None or not is_final(bill, counted, rate, ended_at, auditor.timings, auditor.now):
        return None
    # Said before it is written: a repetition may say it twice, but no correction is silent.
    if abs(bill.total_usd - counted) >= WORTH_SAYING_USD:
        _report(job_id, pod_id, counted, bill, auditor)
    _write(job_id, own, leaked, bill, auditor)
    return bill.total_usd - counted


def _counted(own: Attempt | None, leaked: CostRecord | None, now: datetime) -> Decimal:
    return (own.cost_usd(now) if own else Decimal(0)) + (leaked.amount_usd if leaked else Decimal(0))


def _write(
    job_id: str, own: Attempt | None, leaked: CostRecord | None, bill: PodBill, auditor: Auditor
) -> None:
    """The attempt last: until it is settled, all of this is done again, and comes to the same."""
    sampled = None if own is None else replace(own, billed_usd=None).cost_usd(auditor.now)
    parts = share(bill.total_usd, sampled, leaked is not None)
    if leaked is not None:
        auditor.costs.put(replace(leaked, amount_usd=parts.leaked_usd, provisional=False))
    if own is None:
        return
    job = auditor.jobs.get(job_id)
    settled = again(lambda: _settle_attempt(job_id, own.number, parts, auditor))
    if job is None:
        _close_line(job_id, settled, auditor)
        return
    auditor.costs.put(cost_record(job, settled, auditor.now))
    _correct_job(job, auditor)


def _settle_attempt(job_id: str, number: int, parts: Shares, auditor: Auditor) -> Attempt:
    before = auditor.attempts.get(job_id, number)
    assert before is not None, "attempts are never deleted"
    if before.billed_usd == parts.attempt_usd:
        return before
    return auditor.attempts.save(replace(before, billed_usd=parts.attempt_usd), expected=before)


def _close_line(job_id: str, settled: Attempt, auditor: Auditor) -> None:
    """The job was deleted; its costs stay, with the words they were written with."""
    for line in auditor.costs.of_job(job_id):
        if line.pod_id == settled.pod_id and line.type != LEAKED:
            amount = settled.billed_usd or Decimal(0)
            auditor.costs.put(replace(line, amount_usd=amount, provisional=False))


def _correct_job(job: Job, auditor: Auditor) -> None:
    """The job's cost is the sum of its attempts, settled or not. A running job has none of its own yet."""
    spent = sum((each.cost_usd(auditor.now) for each in auditor.attempts.of_job(job.id)), Decimal(0))
    if job.cost_usd is not None and not job.cleanup_pending and job.cost_usd != spent:
        change_job(
            auditor.jobs, job.id, lambda before: replace(before, cost_usd=spent, changed_at=auditor.now)
        )


def _report(job_id: str, pod_id: str, counted: Decimal, bill: PodBill, auditor: Auditor) -> None:
    facts = {
        "pod_id": pod_id,
        "counted_usd": str(counted),
        "billed_usd": str(bill.total_usd),
        "difference_usd": str(bill.total_usd - counted),
    }
    auditor.audit.record(
        at=auditor.now, actor_id="system", action="cost.correct", subject=job_id, details=facts
    )
    if auditor.jobs.get(job_id) is not None:
        more = "more" if bill.total_usd > counted else "less"
        difference = abs(bill.total_usd - counted)
        say(
            auditor.progress,
            job_id,
            auditor.now,
            "info",
            f"Cost corrected: the provider billed ${difference:.2f} {more} than counted for pod {pod_id}",
            facts,
        )
