"""Looks at the present price of a job's own pod, between two sweeps: near the cap a minute is too long."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain import attempt as attempts_of
from chalicelib.domain.attempt import AttemptStatus
from chalicelib.domain.progress import Progress
from chalicelib.ports import AttemptStore, GpuCloud, JobStore, ProgressStore
from chalicelib.use_cases.again import the_job
from chalicelib.use_cases.check_spending import Warn, check_spending


def sample_price(
    job_id: str,
    *,
    jobs: JobStore,
    attempts: AttemptStore,
    progress: ProgressStore,
    cloud: GpuCloud,
    warn: Warn,
    now: datetime,
) -> Progress | None:
    """The row afterwards; None when no pod of the job is billed. The provider's errors fly."""
    job = the_job(jobs, job_id)
    attempt = attempts.get(job_id, job.attempt)
    if attempt is None or attempt.pod_id is None or attempt.status is not AttemptStatus.LIVE:
        return None
    pod = cloud.get(attempt.pod_id)
    if pod is None or not pod.is_billed:
        return None
    sampled = attempts_of.sample_rate(attempt, pod, now)
    if sampled is not attempt:
        sampled = attempts.save(sampled, expected=attempt)
    return check_spending(job, sampled, progress=progress, warn=warn, now=now)
