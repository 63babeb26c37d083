"""Every job that changed since a moment: how small documents about jobs are kept up to date."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.job import Job
from chalicelib.ports import JobStore

PAGE = 500


def changed_jobs(jobs: JobStore, since: datetime | None) -> tuple[list[Job], datetime | None]:
    """Jobs changed at or after the time, and the time of the newest change."""
    found: dict[str, Job] = {}
    limit = PAGE
    while True:
        page = jobs.changed_since(since, limit)
        fresh = [entry for entry in page if isinstance(entry, Job)]
        found.update({job.id: job for job in fresh})
        last = max((job.changed_at for job in fresh), default=since)
        if len(page) < limit:
            return list(found.values()), last
        # A page of one instant, or of deletions, which carry none: only asking for more gets past it.
        limit = limit * 2 if last == since else PAGE
        since = last
