"""Rents the GPU of a run: finds the pod that is there already, else asks for one, candidate after candidate.

The intent and the pod's unique name are stored before each create call, so that a lost reply is settled by looking for
that name, and a pod nobody knows is stale by construction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain import closing
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import Attempt, AttemptStatus
from chalicelib.domain.candidates import candidates, listed_usd
from chalicelib.domain.errors import (
    HardCapReached,
    JobAlreadyEnding,
    JobCancelled,
    NoCapacity,
    PauseRequested,
    ProviderAccessDenied,
    ProviderBalanceTooLow,
    ProviderKeyRefused,
    ProviderRefusedRequest,
    ProviderReplyLost,
    StaleWrite,
)
from chalicelib.domain.gpu import Candidate, GpuOffer, Pod, PodName, PodRequest
from chalicelib.domain.job import ACTIVE, Job, JobStatus
from chalicelib.domain.job_file import as_webhook_secret, attempt_secret, job_file
from chalicelib.domain.progress import Progress, for_new_attempt
from chalicelib.domain.recovery import LOST, begin_recovery
from chalicelib.domain.track_record import FinishedJob
from chalicelib.domain.watch import for_cap
from chalicelib.ports import AttemptStore, GpuCloud, JobStore, Notifier, ProgressStore, SettingsStore
from chalicelib.use_cases.again import change_job, change_progress, the_job
from chalicelib.use_cases.look_for_pod import look_for_pod
from chalicelib.use_cases.restore_account import restore_account
from chalicelib.use_cases.say import say
from chalicelib.use_cases.shut_out import shut_out
from chalicelib.use_cases.trip_account import trip_account

NO_CAPACITY = "no_capacity"


@dataclass(frozen=True, slots=True)
class Landlord:
    """Everything about renting that does not change during a run."""

    deployment: str
    report_url: str
    image: str
    master_secret: str
    network_volume_id: str | None
    timings: Mapping[str, float]
    offers: tuple[GpuOffer, ...]
    base_model: Mapping[str, Any]
    # Our own finished jobs: what a good ending takes.
    record: tuple[FinishedJob, ...] = ()


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports this use case works with."""

    jobs: JobStore
    progress: ProgressStore
    attempts: AttemptStore
    cloud: GpuCloud
    clock: Callable[[], datetime]
    new_fence: Callable[[], str]
    sleep: Callable[[float], None]
    documents: SettingsStore
    notifier: Notifier


def provision_pod(job_id: str, run: int, *, desk: Desk, landlord: Landlord) -> dict[str, Any]:
    """{attempt, pod_id, adopted}. Raises NoCapacity when nobody has a GPU now, JobCancelled, PauseRequested or
    JobAlreadyEnding when none is wanted any more, HardCapReached when none can be paid, and the provider's own errors."""
    job = _wanted(the_job(desk.jobs, job_id), run)
    current = desk.attempts.get(job_id, job.attempt) if job.attempt else None
    if current is not None and current.status is not AttemptStatus.ENDED:
        pod = look_for_pod(current.pod_name, desk.cloud, desk.sleep, current.pod_id)
        if pod is not None:
            return _move_in(job, current, pod, desk, landlord, adopted=True)
        current = _close(job, current, desk)
    if current is not None:
        shut_out(current, progress=desk.progress)
    reuse = current is not None and current.end == NO_CAPACITY
    refusals: list[bool] = []
    avoided = _lost_in(job, desk) if landlord.network_volume_id is None else frozenset()
    for candidate in candidates(job.configuration.gpu, landlord.offers, avoid_data_centers=avoided):
        job = _wanted(the_job(desk.jobs, job_id), run)
        _affordable(job, candidate, desk, landlord)
        number = job.attempt if reuse else job.attempt + 1
        attempt = _intend(job, number, candidate, desk, landlord)
        reuse = True
        pod = _ask(job, attempt, candidate, desk, landlord, refusals)
        if pod is not None:
            return _move_in(the_job(desk.jobs, job_id), attempt, pod, desk, landlord, adopted=False)
        reuse = _still(attempt, desk).end == NO_CAPACITY
    if refusals and not any(refusals):
        # Nobody said "no capacity" and nobody took it: it is the request that is wrong.
        raise ProviderRefusedRequest("The GPU provider refused the request of every candidate.")
    raise NoCapacity("No GPU could be rented now: every candidate is taken.")


def _lost_in(job: Job, desk: Desk) -> frozenset[str]:
    """Data centres where pods of this job were lost. A network volume would pin the job to its own."""
    attempts = desk.attempts.of_job(job.id) if job.recoveries else ()
    return frozenset(each.data_center_id for each in attempts if each.end == LOST and each.data_center_id)


def _wanted(job: Job, run: int) -> Job:
    # Not active: paused or queued again. A call so late that its run was settled meanwhile must rent nothing.
    if job.run != run or job.ending is not None or job.status not in ACTIVE:
        raise JobAlreadyEnding("This run is over.")
    if job.status is JobStatus.CANCELLING:
        raise JobCancelled("Cancelled before a GPU was rented.")
    if job.status is JobStatus.PAUSING:
        raise PauseRequested("Paused before a GPU was rented.")
    return job


def _close(job: Job, attempt: Attempt, desk: Desk) -> Attempt:
    """A pod that was there or spoke, and is gone, is a loss like any other; one that never showed up is none."""
    end = LOST if AttemptStatus.LIVE is attempt.status or JobStatus.RUNNING is job.status else "never_seen"
    if end == LOST:
        change_job(desk.jobs, job.id, lambda before: begin_recovery(before, attempt.number, desk.clock()))
    return desk.attempts.save(attempts_of.finish(attempt, end, desk.clock()), expected=attempt)


def _affordable(job: Job, candidate: Candidate, desk: Desk, landlord: Landlord) -> None:
    """No pod is rented unless what is left of the cap pays its start-up and a good ending."""
    if job.spend_cap_usd is None:
        return
    spent = attempts_of.total_usd(desk.attempts.of_job(job.id), desk.clock())
    rate = listed_usd(candidate, job.configuration.gpu.count, landlord.offers)
    least = closing.least_usd(landlord.record, job.configuration.base_model_id, candidate.gpu_id, rate)
    if spent >= job.spend_cap_usd or job.spend_cap_usd - spent < least:
        raise HardCapReached(
            f"${job.spend_cap_usd - spent:.2f} left of the spend cap does not pay for another GPU."
        )


def _still(attempt: Attempt, desk: Desk) -> Attempt:
    return desk.attempts.get(attempt.job_id, attempt.number) or attempt


def _intend(job: Job, number: int, candidate: Candidate, desk: Desk, landlord: Landlord) -> Attempt:
    """The stored intent: attempt row, the job's attempt number, and the fence that events must carry."""
    now = desk.clock()
    fence = desk.new_fence()
    name = str(PodName(landlord.deployment, job.id, number, fence))
    gpu_name = _gpu_name(candidate, job, landlord)
    count = job.configuration.gpu.count
    wanted = attempts_of.request(job.id, number, fence, name, candidate, gpu_name, count, now)
    wanted = replace(wanted, resumed_from_step=job.checkpoint.step if job.checkpoint else None)
    saved = desk.attempts.save(wanted, expected=desk.attempts.get(job.id, number))
    if job.attempt != number:
        change_job(desk.jobs, job.id, lambda before: transitions.new_attempt(_wanted(before, job.run), now))

    def enter(row: Progress) -> Progress:
        if row.run > job.run:
            raise JobAlreadyEnding("Another run has taken over.")
        since = row.provisioning_since if row.run == job.run else now
        return replace(for_new_attempt(row, job.run, number, fence), provisioning_since=since)

    change_progress(desk.progress, job.id, enter)
    return saved


def _gpu_name(candidate: Candidate, job: Job, landlord: Landlord) -> str:
    if candidate.gpu_id == job.configuration.gpu.type:
        return job.configuration.gpu.name
    names = {offer.gpu_id: offer.name for offer in landlord.offers}
    return names.get(candidate.gpu_id, candidate.gpu_id)


def _ask(
    job: Job,
    attempt: Attempt,
    candidate: Candidate,
    desk: Desk,
    landlord: Landlord,
    refusals: list[bool],
) -> Pod | None:
    """The pod; None when this candidate cannot be had (the attempt row says why).

    refusals: gets True for a refusal that is known to mean "no capacity", False for one nobody has seen before.
    """
    try:
        rented = desk.cloud.create(_pod_request(job, attempt, candidate, desk, landlord))
        restore_account(desk.documents)
        return rented
    except (ProviderBalanceTooLow, ProviderKeyRefused) as error:
        _give_up(attempt, NO_CAPACITY, desk)
        trip_account(error, documents=desk.documents, notifier=desk.notifier, now=desk.clock())
        raise
    except (NoCapacity, ProviderAccessDenied) as error:
        _give_up(attempt, NO_CAPACITY, desk)
        refusals.append(not isinstance(error.details, dict) or error.details.get("recognised", True))
        say(
            desk.progress,
            job.id,
            desk.clock(),
            "info",
            f"No capacity: {attempt.gpu_name} ({candidate.tier.value})",
            {"gpu_id": candidate.gpu_id, "tier": candidate.tier.value, "provider_said": error.message},
        )
        return None
    except ProviderReplyLost:
        pod = look_for_pod(attempt.pod_name, desk.cloud, desk.sleep)
        if pod is None:
            _give_up(attempt, "reply_lost", desk)
            shut_out(attempt, progress=desk.progress)
        return pod


def _give_up(attempt: Attempt, why: str, desk: Desk) -> None:
    before = _still(attempt, desk)
    desk.attempts.save(attempts_of.finish(before, why, desk.clock()), expected=before)


def _pod_request(
    job: Job, attempt: Attempt, candidate: Candidate, desk: Desk, landlord: Landlord
) -> PodRequest:
    asked = job_file(
        job,
        attempt,
        landlord.base_model,
        api_url=landlord.report_url,
        spent_usd=_spent_before(job, attempt, desk),
        hourly_rate_usd=listed_usd(candidate, attempt.gpu_count, landlord.offers),
        timings=landlord.timings,
    )
    secret = attempt_secret(landlord.master_secret, job.id, attempt.number, attempt.fence)
    return PodRequest(
        name=attempt.pod_name,
        image=landlord.image,
        gpu_id=candidate.gpu_id,
        gpu_count=attempt.gpu_count,
        tier=candidate.tier,
        data_center_ids=candidate.data_center_ids,
        network_volume_id=landlord.network_volume_id,
        env={
            "LORA_PIPELINE_JOB": json.dumps(asked, ensure_ascii=True),
            "LORA_PIPELINE_WEBHOOK_SECRET": as_webhook_secret(secret),
        },
    )


def _spent_before(job: Job, attempt: Attempt, desk: Desk) -> Decimal:
    earlier = [other for other in desk.attempts.of_job(job.id) if other.number != attempt.number]
    return attempts_of.total_usd(earlier, desk.clock())


def _move_in(
    job: Job, attempt: Attempt, pod: Pod, desk: Desk, landlord: Landlord, *, adopted: bool
) -> dict[str, Any]:
    before = _still(attempt, desk)
    if before.status is AttemptStatus.ENDED:
        raise StaleWrite("This attempt was closed meanwhile; the sweeper ends its pod.")
    live = attempts_of.adopt(before, pod)
    if live != before:
        live = desk.attempts.save(live, expected=before)
    rate = pod.price_usd_per_hour
    kept = closing.reserve(landlord.record, job.configuration.base_model_id, attempt.gpu_id)
    since = live.created_at or desk.clock()
    money = closing.money(rate, since, _spent_before(job, live, desk), job.spend_cap_usd, kept)

    def note(row: Progress) -> Progress:
        # An intent of an earlier run is over; one that came during this run stays.
        intent = row.intent if row.run == job.run else None
        return replace(for_cap(row, job.spend_cap_usd), run=job.run, money=money, intent=intent)

    change_progress(desk.progress, job.id, note)
    if not adopted:
        say(
            desk.progress,
            job.id,
            desk.clock(),
            "status",
            f"GPU rented: {attempt.gpu_count}x {attempt.gpu_name} ({attempt.tier.value}) at ${rate}/h",
            {
                "pod_id": pod.id,
                "gpu_id": attempt.gpu_id,
                "usd_per_hour": str(rate),
                "data_center_id": pod.data_center_id,
            },
        )
    return {"attempt": attempt.number, "pod_id": pod.id, "adopted": adopted}
