"""Between the jobs list's rows as people see them and the columns that are searched, sorted and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from chalicelib.domain import job_search
from chalicelib.domain.job import FINAL, Job, JobStatus
from chalicelib.domain.job_search import JobSearch

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
        "clock_runs": int(job.started_at is not None and job.status not in _CLOCK_STANDS),
        "duration": None if row["duration_seconds"] is None else int(row["duration_seconds"] * 1_000_000),
        "name_key": storable(job.name).casefold(),
        "creator_key": storable(job.created_by.name).casefold(),
        "tags": json.dumps([storable(tag) for tag in job.tags]),
        "row": json.dumps(row),
    }


def words(job: Job) -> tuple[str, str, str, str]:
    """What is searched: name, description, notes, tags."""
    texts = (job.name, job.description, job.notes, ", ".join(job.tags))
    name, description, notes, tags = (storable(text) for text in texts)
    return name, description, notes, tags


def storable(text: str) -> str:
    """Without lone surrogates, which SQLite cannot hold, and without control characters, which mark hits."""
    whole = text.encode("utf-8", "ignore").decode("utf-8")
    return "".join(" " if ord(c) < 32 else c for c in whole)


def parameters(question: JobSearch, now: datetime) -> dict[str, Any]:
    """The statement's parameters; a filter that is not set is NULL."""
    return {
        "tab": question.tab,
        "statuses": _list(question.statuses),
        "presets": _list(question.presets),
        "created_by": _list(question.created_by),
        "costs": _list(question.costs),
        "gpu_tiers": _list(question.gpu_tiers),
        "tags": _list(question.tags),
        "ids": _list(question.ids),
        "created_from": None if question.created_from is None else microseconds(question.created_from),
        "created_before": None if question.created_before is None else microseconds(question.created_before),
        "reaches_now": int(question.reaches_now),
        "sort_by": question.sort_by,
        "descending": int(question.descending),
        "limit": question.limit,
        "offset": (question.page - 1) * question.limit,
        "now": microseconds(now),
        "match": match(question.words),
    }


def match(searched: Sequence[str]) -> str:
    """An FTS5 expression in which every word is quoted, so that no character of it is syntax.

    Each word must occur, as the beginning of a word (https://sqlite.org/fts5.html#full_text_query_syntax).
    """
    return " AND ".join('"' + storable(word).replace('"', '""') + '"*' for word in searched)


def shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its highlights, in which `<mark>` is the only tag: any other `<` reads `&lt;`."""
    marked = {field: found[field] for field in ("name", "description", "notes", "tags")}
    highlights = {field: _html(text) for field, text in marked.items() if text and _START in text}
    return {**found["row"], "highlights": highlights}


def counts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The `counts` of contracts/examples/job_list.json."""
    tabs = {tab: answer["tab"].get(tab, 0) for tab in job_search.TABS}
    return {
        "tab": {**tabs, "all": sum(answer["tab"].values())},
        "status": answer["status"],
        "preset": answer["preset"],
        "created_by": answer["created_by"],
        "gpu_tier": {"spot": 0, "on_demand": 0, **answer["gpu_tier"]},
        "cost": {
            bucket: {"count": jobs, "total_usd": f"{Decimal(micro_usd) / _MICRO:.2f}"}
            for bucket, (jobs, micro_usd) in answer["cost"].items()
        },
    }


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(at_microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_microseconds)


def _list(values: Sequence[str]) -> str | None:
    return json.dumps(list(values)) if values else None


def _html(text: str) -> str:
    """Without `<` no other tag can begin. `&` stays, since clients that set text, as the site does, show it as it is."""
    return text.replace("<", "&lt;").replace(_START, "<mark>").replace(_END, "</mark>")
