"""The same questions answered in plain Python, one job after the other."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.job import FINAL, Job, JobStatus
from chalicelib.domain.job_search import JobSearch

_STANDING = FINAL | {JobStatus.PENDING_CONFIGURATION, JobStatus.QUEUED, JobStatus.PAUSED}


def _tab(job: Job) -> str:
    if job.status is JobStatus.PENDING_CONFIGURATION:
        return "draft"
    return job.status.value if job.status in FINAL else "active"


def _bucket(job: Job) -> str:
    cost = job.cost_usd or Decimal(0)
    if cost < 50:
        return "lt_50"
    if cost < 100:
        return "50_100"
    return "100_200" if cost <= 200 else "gt_200"


def _tokens(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c.lower() if c.isalnum() else " " for c in bare).split()


def _follows(tokens: list[str], wanted: list[str]) -> bool:
    """`wanted` stands somewhere in a row; its last word may be a beginning."""
    for start in range(len(tokens) - len(wanted) + 1):
        here = tokens[start : start + len(wanted)]
        if here[:-1] == wanted[:-1] and here[-1].startswith(wanted[-1]):
            return True
    return False


def _found(job: Job, question: JobSearch) -> bool:
    if question.search and not question.words:
        return False
    fields = [_tokens(text) for text in (job.name, job.description, job.notes, ", ".join(job.tags))]
    return all(any(_follows(field, _tokens(word)) for field in fields) for word in question.words)


def _in_range(job: Job, question: JobSearch) -> bool:
    if question.reaches_now and _tab(job) == "active":
        return True
    after = question.created_from is None or job.created_at >= question.created_from
    return after and (question.created_before is None or job.created_at < question.created_before)


FACETS: dict[str, Callable[[Job, JobSearch], bool]] = {
    "tab": lambda job, q: q.tab in ("all", _tab(job)),
    "status": lambda job, q: not q.statuses or job.status.value in q.statuses,
    "preset": lambda job, q: not q.presets or job.configuration.preset_id in q.presets,
    "created_by": lambda job, q: not q.created_by or job.created_by.id in q.created_by,
    "gpu_tier": lambda job, q: not q.gpu_tiers or job.configuration.gpu.tier.value in q.gpu_tiers,
    "cost": lambda job, q: not q.costs or _bucket(job) in q.costs,
}


def _key(job: Job, question: JobSearch, now: datetime) -> Any:
    match question.sort_by:
        case "started_at":
            return job.started_at
        case "ended_at":
            return job.ended_at
        case "duration":
            if job.started_at is not None and job.status not in _STANDING:
                return now - job.started_at
            return job.ended_at - job.started_at if job.ended_at and job.started_at else None
        case "cost":
            return job.cost_usd or Decimal(0)
        case "status":
            return job.status.value
        case "created_by":
            return job.created_by.name.casefold()
        case "name":
            return job.name.casefold()
        case _:
            return job.created_at


def answer(jobs: Sequence[Job], question: JobSearch, now: datetime) -> tuple[list[str], dict[str, Any], int]:
    base = [
        job
        for job in jobs
        if _in_range(job, question)
        and (not question.ids or job.id in question.ids)
        and (not question.tags or set(question.tags) & set(job.tags))
        and _found(job, question)
    ]

    def but(facet: str) -> list[Job]:
        others = [test for name, test in FACETS.items() if name != facet]
        return [job for job in base if all(test(job, question) for test in others)]

    matches = sorted((job for job in but("") if FACETS), key=lambda job: job.id)
    keyed = [(job, _key(job, question, now)) for job in matches]
    known = sorted((pair for pair in keyed if pair[1] is not None), key=lambda pair: pair[1])
    if question.descending:
        known = sorted(known[::1], key=lambda pair: pair[1], reverse=True)
    ordered = [job for job, _ in known] + [job for job, key in keyed if key is None]
    start = (question.page - 1) * question.limit
    ids = [job.id for job in ordered[start : start + question.limit]]
    return ids, _counts(but), len(matches)


def _counts(but: Callable[[str], list[Job]]) -> dict[str, Any]:
    tabs = Counter(_tab(job) for job in but("tab"))
    tiers = Counter(job.configuration.gpu.tier.value for job in but("gpu_tier"))
    people: dict[str, list[str]] = {}
    for job in but("created_by"):
        people.setdefault(job.created_by.id, []).append(job.created_by.name)
    costs: dict[str, list[Decimal]] = {}
    for job in but("cost"):
        costs.setdefault(_bucket(job), []).append(job.cost_usd or Decimal(0))
    return {
        "tab": {
            tab: tabs[tab] if tab != "all" else sum(tabs.values())
            for tab in ("all", "active", "completed", "failed", "cancelled", "draft")
        },
        "status": dict(Counter(job.status.value for job in but("status"))),
        "preset": dict(Counter(job.configuration.preset_id for job in but("preset"))),
        "created_by": [
            {"id": person_id, "name": max(names), "count": len(names)}
            for person_id, names in sorted(
                people.items(), key=lambda pair: (-len(pair[1]), max(pair[1]), pair[0])
            )
        ],
        "gpu_tier": {tier: tiers[tier] for tier in ("spot", "on_demand")},
        "cost": {
            bucket: {"count": len(spent), "total_usd": f"{sum(spent, Decimal(0)):.2f}"}
            for bucket, spent in costs.items()
        },
    }
