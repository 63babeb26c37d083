"""Ends jobs that were paused for longer than checkpoints are kept, and says so some days before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain import pausing
from chalicelib.domain.errors import AppError
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.organisation import DOCUMENT, from_document
from chalicelib.ports import Files, JobStore, ProgressStore, SettingsStore
from chalicelib.use_cases.again import change_job
from chalicelib.use_cases.say import say
from chalicelib.use_cases.tidy_checkpoints import tidy_checkpoints


@dataclass(frozen=True, slots=True)
class Expired:
    """Ids: of the jobs that ended, and of those whose turn comes again because something did not answer."""

    ended: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


def expire_pauses(
    *,
    jobs: JobStore,
    progress: ProgressStore,
    documents: SettingsStore,
    files: Files,
    tell: Callable[[str, Job], object],
    now: datetime,
) -> Expired:
    """tell: raises when the notice could not be stored. Telling twice tells once.

    A job keeps its place among the paused ones until its files are gone and its person was told, so that whatever
    failed is done a minute later; it is marked first, so that nobody resumes it meanwhile.
    """
    days = from_document(documents.get(DOCUMENT)).pause_kept_days
    ended, again = [], []
    for job in jobs.by_status(JobStatus.PAUSED.value):
        try:
            if _expire(job, days, jobs, progress, files, tell, now):
                ended.append(job.id)
        except AppError:
            again.append(job.id)
    return Expired(tuple(ended), tuple(again))


def _expire(
    job: Job,
    days: int,
    jobs: JobStore,
    progress: ProgressStore,
    files: Files,
    tell: Callable[[str, Job], object],
    now: datetime,
) -> bool:
    if not pausing.is_nearly_over(job, days, now):
        return False
    given_up = change_job(jobs, job.id, lambda before: pausing.give_up(before, days, now))
    if given_up.status is not JobStatus.PAUSED:
        return False
    end = pausing.expire(given_up)
    if end is given_up:
        tell("pause_ends_soon", given_up)
        return False
    tidy_checkpoints(given_up, files)
    tell("pause_ended", end)
    after = change_job(jobs, job.id, lambda before: _ended(before, now))
    if after.status is JobStatus.CANCELLED:
        say(progress, job.id, now, "status", f"paused → cancelled: {after.end_sentence}")
    return after.status is JobStatus.CANCELLED


def _ended(job: Job, now: datetime) -> Job:
    """Read models find what changed by the time it was written, not by the time the pause was given up."""
    after = pausing.expire(job)
    return job if after is job else replace(after, changed_at=now)
