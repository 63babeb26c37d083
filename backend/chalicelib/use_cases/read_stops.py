"""The facts of stopped and paused jobs, kept as one small document and brought up to date on reading."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import datetime, timedelta

from chalicelib.domain.stop_records import as_record, from_record
from chalicelib.domain.stops import JobFacts, facts_of
from chalicelib.ports import JobStore, SettingsStore
from chalicelib.use_cases.changed_jobs import changed_jobs

DOCUMENT = "stops"
JOBS_KEPT = 1000
REFRESH_AFTER = timedelta(seconds=60)
# The index of changes lags behind its table a little.
_OVERLAP = timedelta(minutes=2)
_LAYOUT = 1


def read_stops(*, jobs: JobStore, documents: SettingsStore, now: datetime) -> tuple[JobFacts, ...]:
    """At most a thousand, oldest change first.

    Reads only jobs changed since the last time, and at most once a minute. Two readers at once write the same thing.
    A deleted job stays in the facts: it was stopped all the same.
    """
    stored = documents.get(DOCUMENT) or {}
    known: tuple[JobFacts, ...] = ()
    cursor: datetime | None = None
    if stored.get("layout") == _LAYOUT:
        known = _unpacked(stored["jobs"])
        if now - datetime.fromisoformat(stored["at"]) < REFRESH_AFTER:
            return known
        cursor = datetime.fromisoformat(stored["cursor"]) if stored["cursor"] else None
    changed, newest = changed_jobs(jobs, None if cursor is None else cursor - _OVERLAP)
    by_id = {each.id: each for each in known}
    by_id.update({facts.id: facts for job in changed if (facts := facts_of(job)) is not None})
    newest_facts = tuple(sorted(by_id.values(), key=lambda each: (each.at, each.id))[-JOBS_KEPT:])
    last = newest or cursor
    documents.put(
        DOCUMENT,
        {
            "layout": _LAYOUT,
            "at": now.isoformat(),
            "cursor": None if last is None else last.isoformat(),
            "jobs": _packed(newest_facts),
        },
    )
    return newest_facts


def _packed(facts: tuple[JobFacts, ...]) -> str:
    """A document may have 400 KB: a thousand jobs are 500 KB as they are, and a tenth of that packed."""
    return base64.b64encode(zlib.compress(json.dumps([as_record(each) for each in facts]).encode())).decode()


def _unpacked(text: str) -> tuple[JobFacts, ...]:
    return tuple(from_record(record) for record in json.loads(zlib.decompress(base64.b64decode(text))))
