"""Between the jobs list's rows as people see them and the columns that are searched, sorted and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from chalicelib.domain import job_search
from chalicelib.domain.job import FINAL, Job, JobStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = Decimal(1_000_000)
_START, _END = "\x02", "\x03"
_CLOCK_STANDS = FINAL | {JobStatus.PENDING_CONFIGURATION, JobStatus.QUEUED, JobStatus.PAUSED}


def columns(job: Job, row: Mapping[str, Any]) -> dict[str, Any]:
    """row: as in contracts/examples/job_list.json. Times become microseconds since 1970, money micro-USD."""
    cost_usd = Decimal(str(row["cost"]["spent_usd"] or 0))
    status = job.status.value
    return {
        "id": job.id,
        "version": job.version,
        "status": status,
        "tab": job_search.tab_of(status),
        "preset": job.configuration.preset_id,
        "gpu_tier": job.configuration.gpu.tier.value,
        "creator_id": job.created_by.id,
        "creator_name": storable(job.created_by.name),
        "cost_micro_usd": int((cost_usd * _MICRO).to_integral_value(ROUND_HALF_UP)),
        "cost_bucket": job_search.bucket_of(cost_usd),
        "created_at": microseconds(job.created_at),
        "started_at": None if job.started_at is None else microseconds(job.started_at),
        "ended_at": None if job.ended_at is None else microseconds(job.ended_at),
        "clock_runs": int(job.started_at is not None and job.status not in _CLOCK_STANDS),
        "duration": None if row["duration_seconds"] is None else int(row["duration_seconds"] * 1_000_000),
        "name_key": storable(job.name).casefold(),
        "creator_key": storable(job.created_by.name).casefold(),
        "tags": json.dumps(tags(job)),
    }


def words(job: Job) -> tuple[str, str, str, str]:
    """What is searched: name, description, notes, tags."""
    texts = (job.name, job.description, job.notes, ", ".join(job.tags))
    name, description, notes, tags = (storable(text) for text in texts)
    return name, description, notes, tags


def tags(job: Job) -> list[str]:
    return [storable(tag) for tag in job.tags]


def storable(text: str) -> str:
    """Without lone surrogates, which SQLite cannot hold, and without control characters, which mark hits."""
    whole = text.encode("utf-8", "ignore").decode("utf-8")
    return "".join(" " if ord(c) < 32 else c for c in whole)


def match(searched: Sequence[str]) -> str:
    """An FTS5 expression in which every word is quoted, so that no character of it is syntax.

    Each word must occur, as the beginning of a word (https://sqlite.org/fts5.html#full_text_query_syntax).
    """
    return " AND ".join('"' + storable(word).replace('"', '""') + '"*' for word in searched)


def highlights(texts: Sequence[str]) -> dict[str, str]:
    """Field -> text with its hits, in which `<mark>` is the only tag: any other `<` reads `&lt;`."""
    fields = zip(("name", "description", "notes", "tags"), texts, strict=True)
    return {field: _html(text) for field, text in fields if text and _START in text}


def counts(found: Mapping[str, Mapping[str, int]], micro_usd: Mapping[str, int]) -> dict[str, Any]:
    """The `counts` of contracts/examples/job_list.json. found: facet -> value -> jobs; micro_usd: of each cost bucket."""
    tabs = {tab: found["tab"].get(tab, 0) for tab in job_search.TABS}
    return {
        "tab": {**tabs, "all": sum(found["tab"].values())},
        "status": dict(sorted(found["status"].items())),
        "preset": dict(sorted(found["preset"].items())),
        "created_by": _people(found["created_by"]),
        "gpu_tier": {"spot": 0, "on_demand": 0, **found["gpu_tier"]},
        "cost": {
            bucket: {"count": jobs, "total_usd": f"{Decimal(micro_usd.get(bucket, 0)) / _MICRO:.2f}"}
            for bucket, jobs in sorted(found["cost"].items())
        },
    }


def person(person_id: str, name: str) -> str:
    """One value of the facet of people: the same person may have had several names."""
    return json.dumps([person_id, name])


def _people(found: Mapping[str, int]) -> list[dict[str, Any]]:
    """The most jobs first; a person by the last of their names."""
    people: dict[str, dict[str, Any]] = {}
    for value, jobs in found.items():
        person_id, name = json.loads(value)
        each = people.setdefault(person_id, {"id": person_id, "name": name, "count": 0})
        each["name"] = max(each["name"], name)
        each["count"] += jobs
    return sorted(people.values(), key=lambda each: (-each["count"], each["name"], each["id"]))


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(at_microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_microseconds)


def _html(text: str) -> str:
    """Without `<` no other tag can begin. `&` stays, since clients that set text, as the site does, show it as it is."""
    return text.replace("<", "&lt;").replace(_START, "<mark>").replace(_END, "</mark>")
