"""The agent is silent: asks the provider whether its pod lives. One rule, see `verdict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain.attempt import Attempt
from chalicelib.domain.errors import PodCannotStart
from chalicelib.domain.gpu import Pod
from chalicelib.domain.pod_logs import look_for_cause
from chalicelib.domain.progress import Progress
from chalicelib.ports import AttemptStore, GpuCloud, JobStore, ProgressStore, SettingsStore
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.say import say

DOOR = "door"
_SECONDS_BETWEEN_LISTS = 3.0
_LOG_LINES = 20


def poll_pod(
    job_id: str,
    *,
    jobs: JobStore,
    progress: ProgressStore,
    attempts: AttemptStore,
    cloud: GpuCloud,
    documents: SettingsStore,
    timings: Mapping[str, float],
    now: datetime,
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """{pod: alive | lost, why}. Provider errors fly: a failed list proves nothing. PodCannotStart when the
    provider's log says that no machine will ever start this pod."""
    job = the_job(jobs, job_id)
    attempt = attempts.get(job_id, job.attempt)
    row = progress.get(job_id) or Progress(job_id)
    if attempt is None or attempt.ended_at is not None:
        return {"pod": "lost", "why": "no pod is known"}
    pod = _find(attempt, cloud, sleep)
    if pod is not None and pod.is_billed:
        _sample(attempt, pod, attempts, now)
    why = verdict(attempt, pod, row, door_open_since=_door(documents), timings=timings, now=now)
    if row.hello_at is None and attempt.pod_id is not None and _is_slow(attempt, why, timings, now):
        why = _explained(attempt, why, cloud, progress, now)
    return {"pod": "lost" if why else "alive", "why": why or "the provider lists it"}


def _is_slow(attempt: Attempt, why: str | None, timings: Mapping[str, float], now: datetime) -> bool:
    """From a quarter of its time on, a pod that has not started is looked into."""
    quarter = timedelta(seconds=timings["provisioning_deadline_seconds"] / 4)
    return why is not None or now >= attempt.requested_at + quarter


def _explained(
    attempt: Attempt, why: str | None, cloud: GpuCloud, progress: ProgressStore, now: datetime
) -> str | None:
    """Why it counts as lost, after a look into the provider's log, whose last lines go into the event log."""
    lines = cloud.logs(str(attempt.pod_id), _LOG_LINES)
    cause = look_for_cause(lines)
    if cause is None and why is None:
        return None
    last = lines[-1] if lines else "the provider's log is empty"
    said = f"{cause.advice} {cause.line}" if cause else last
    say(
        progress,
        attempt.job_id,
        now,
        "warning",
        f"The GPU did not start: {said}"[:500],
        {"attempt": attempt.number, "pod_id": attempt.pod_id, "log": list(lines)},
    )
    if cause is not None and cause.fatal:
        raise PodCannotStart(f"{cause.advice} The provider's log says: {cause.line}")
    return why or f"it cannot start there: {said}"


def verdict(
    attempt: Attempt,
    pod: Pod | None,
    row: Progress,
    *,
    door_open_since: datetime | None,
    timings: Mapping[str, float],
    now: datetime,
) -> str | None:
    """Why the pod counts as lost; None while it may live on.

    door_open_since: when anybody's request last reached us from outside. If nobody's did for as long as this pod is
    silent, it is our own door that is shut, and replacing pods would help nobody.
    """
    if pod is None:
        return "the provider no longer lists it"
    if not pod.is_billed:
        return f"the provider says {pod.status.value}"
    if row.hello_at is None:
        deadline = attempt.requested_at + timedelta(seconds=timings["provisioning_deadline_seconds"])
        return "it did not start in time" if now >= deadline else None
    silent_since = row.last_event_at or row.hello_at
    deadline = silent_since + timedelta(seconds=timings["silent_pod_deadline_seconds"])
    if now < deadline:
        return None
    if door_open_since is not None and door_open_since <= silent_since:
        return None
    return "it runs but has been silent for too long"


def _find(attempt: Attempt, cloud: GpuCloud, sleep: Callable[[float], None]) -> Pod | None:
    """Absent only when two lists say so."""
    for look in range(2):
        if look:
            sleep(_SECONDS_BETWEEN_LISTS)
        found = next((pod for pod in cloud.list(attempt.pod_name) if pod.name == attempt.pod_name), None)
        if found is not None:
            return found
    return None


def _sample(attempt: Attempt, pod: Pod, attempts: AttemptStore, now: datetime) -> None:
    sampled = attempts_of.sample_rate(attempt, pod, now)
    if sampled is not attempt:
        attempts.save(sampled, expected=attempt)


def _door(documents: SettingsStore) -> datetime | None:
    found = documents.get(DOOR)
    return None if found is None else datetime.fromisoformat(str(found["open_at"]))
