"""Ends jobs that were paused for longer than checkpoints are kept, and says so some days before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.domain import pausing
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.organisation import DOCUMENT
from chalicelib.domain.pause import KEPT_DAYS
from chalicelib.ports import Files, JobStore, ProgressStore, SettingsStore
from chalicelib.use_cases.again import change_job
from chalicelib.use_cases.say import say
from chalicelib.use_cases.tidy_checkpoints import tidy_checkpoints


def kept_days(documents: SettingsStore) -> int:
    """How long the checkpoint of a paused job is kept: a setting of the organisation."""
    organisation = documents.get(DOCUMENT) or {}
    return int(organisation.get("pause_kept_days", KEPT_DAYS))


def expire_pauses(
    *,
    jobs: JobStore,
    progress: ProgressStore,
    documents: SettingsStore,
    files: Files,
    tell: Callable[[str, Job], object],
    now: datetime,
) -> list[str]:
    """Ids of the jobs that ended. Telling twice tells once."""
    days = kept_days(documents)
    ended = []
    for job in jobs.by_status(JobStatus.PAUSED.value):
        if not pausing.is_nearly_over(job, days, now):
            continue
        after = change_job(jobs, job.id, lambda before: pausing.expire(before, days, now))
        if after.status is not JobStatus.CANCELLED:
            tell("pause_ends_soon", after)
            continue
        ended.append(job.id)
        say(progress, job.id, now, "status", f"paused → cancelled: {after.end_sentence}")
        tidy_checkpoints(after, files)
        tell("pause_ended", after)
    return ended
