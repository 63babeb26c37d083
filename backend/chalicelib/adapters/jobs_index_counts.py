"""Which jobs answer a question, and how many would if one filter were another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.adapters.jobs_index_bits import FACETS, Bits
from chalicelib.adapters.jobs_index_days import DAY_MICROSECONDS, MONEY, Days
from chalicelib.adapters.jobs_index_rows import counts, microseconds
from chalicelib.domain.job_search import JobSearch


@dataclass(frozen=True, slots=True)
class Found:
    jobs: int
    total: int
    counts: dict[str, Any]


def by_days(days: Days, bits: Bits, question: JobSearch) -> Found | None:
    """Of whole days and without a filter: nothing is counted, only added up. None for any other question."""
    if any(_asked(facet, question) for facet in FACETS):
        return None
    first, before = _bounds(question)
    if (first or 0) % DAY_MICROSECONDS or (before or 0) % DAY_MICROSECONDS:
        return None
    found = days.counts(_day(first), _day(before), question.reaches_now)
    shown = counts(found, found[MONEY])
    return Found(_in_range(bits, question), shown["tab"]["all"], shown)


def by_filters(bits: Bits, question: JobSearch, among: int | None) -> Found:
    """Each facet is counted with every filter but its own. among: only these; None: any."""
    base = _in_range(bits, question)
    if among is not None:
        base &= among
    chosen = {facet: _chosen(bits, facet, question) for facet in FACETS}
    matching = _all_but("", base, chosen)
    found: dict[str, dict[str, int]] = {}
    for facet in chosen:
        jobs = matching if chosen[facet] is None else _all_but(facet, base, chosen)
        numbers = {value: (jobs & held).bit_count() for value, held in bits.facets[facet].items()}
        found[facet] = {value: number for value, number in numbers.items() if number}
        if facet == "cost":
            held = bits.facets["cost"]
            money = {bucket: bits.cost.sum(jobs & held[bucket]) for bucket in found["cost"]}
    return Found(matching, matching.bit_count(), counts(found, money))


def _all_but(facet: str, jobs: int, chosen: Mapping[str, int | None]) -> int:
    for each, those in chosen.items():
        if each != facet and those is not None:
            jobs &= those
    return jobs


def _chosen(bits: Bits, facet: str, question: JobSearch) -> int | None:
    """Jobs that one filter lets through; None: it is not set."""
    wanted = _asked(facet, question)
    if not wanted:
        return None
    found = 0
    for value, jobs in bits.facets[facet].items():
        if (json.loads(value)[0] if facet == "created_by" else value) in wanted:
            found |= jobs
    return found


def _asked(facet: str, question: JobSearch) -> tuple[str, ...]:
    if facet == "tab":
        return () if question.tab == "all" else (question.tab,)
    asked: tuple[str, ...] = getattr(question, FACETS[facet])
    return asked


def _in_range(bits: Bits, question: JobSearch) -> int:
    first, before = _bounds(question)
    if first is None and before is None:
        return bits.every
    found = bits.between(first, before)
    return found | bits.facets["tab"].get("active", 0) if question.reaches_now else found


def _bounds(question: JobSearch) -> tuple[int | None, int | None]:
    first, before = question.created_from, question.created_before
    return (
        None if first is None else microseconds(first),
        None if before is None else microseconds(before),
    )


def _day(at: int | None) -> int | None:
    return None if at is None else at // DAY_MICROSECONDS
