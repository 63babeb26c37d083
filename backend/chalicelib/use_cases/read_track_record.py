"""The finished jobs that estimates learn from, kept as one small document and brought up to date on
reading.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from chalicelib.domain.estimate import MODEL_VERSION
from chalicelib.domain.track_record import FinishedJob, as_record, finished, from_record
from chalicelib.ports import JobStore, SettingsStore
from chalicelib.use_cases.changed_jobs import changed_jobs

DOCUMENT = "track_record"
JOBS_KEPT = 500
REFRESH_AFTER = timedelta(seconds=60)


def read_track_record(*, jobs: JobStore, documents: SettingsStore, now: datetime) -> tuple[FinishedJob, ...]:
    """The newest finished jobs, at most 500, oldest first.

    Reads only jobs changed since the last time, and at most once a minute, so an estimate costs the same
    however many jobs there are. Deleted jobs stay in the record. Two readers at once write the same thing.
    """
    document = documents.get(DOCUMENT)
    if document is None or document.get("model_version") != MODEL_VERSION:
        known: tuple[FinishedJob, ...] = ()
        cursor: datetime | None = None
    else:
        known = tuple(from_record(row) for row in json.loads(document["jobs"]))
        if now - datetime.fromisoformat(document["at"]) < REFRESH_AFTER:
            return known
        cursor = datetime.fromisoformat(document["cursor"]) if document["cursor"] else None
    changed, cursor = changed_jobs(jobs, cursor)
    by_id = {job.id: job for job in known}
    by_id.update({facts.id: facts for job in changed if (facts := finished(job)) is not None})
    newest = tuple(sorted(by_id.values(), key=lambda job: job.ended_at)[-JOBS_KEPT:])
    documents.put(
        DOCUMENT,
        {
            "model_version": MODEL_VERSION,
            "at": now.isoformat(),
            "cursor": None if cursor is None else cursor.isoformat(),
            "jobs": json.dumps([as_record(job) for job in newest]),
        },
    )
    return newest
