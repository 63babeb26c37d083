"""Two to four jobs side by side over HTTP."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint  # type: ignore[attr-defined]

from chalicelib import bootstrap, views_compare
from chalicelib.domain.comparison import chosen
from chalicelib.domain.event_sequence import align
from chalicelib.domain.progress import Progress
from chalicelib.routes.http import Call, endpoint
from chalicelib.routes.job_bodies import CompareQuery, SequencesQuery
from chalicelib.use_cases.compare_jobs import compare_jobs, compare_sequences, find_all

bp = Blueprint(__name__)


@endpoint(
    bp,
    "GET",
    "/api/jobs/compare",
    query=CompareQuery,
    summary="Two to four jobs side by side: facts, curves, differences, what the loss cost",
)
def get_comparison(call: Call) -> dict[str, Any]:
    jobs = find_all(chosen(call.query.ids), jobs=bootstrap.jobs())
    progress = bootstrap.progress()
    rows = [progress.get(job.id) or Progress(job.id) for job in jobs]
    cursor = views_compare.cursor_json(jobs, rows)
    if call.query.cursor == cursor:
        wait = views_compare.poll_after_seconds(jobs)
        return {"cursor": cursor, "changed": False, "poll_after_seconds": wait}
    compared = compare_jobs(
        jobs,
        rows,
        attempts=bootstrap.attempts(),
        progress=progress,
        models=bootstrap.models(),
        max_points=call.query.max_points,
    )
    return views_compare.comparison_json(compared, cursor, call.query.max_points, call.now)


@endpoint(
    bp,
    "GET",
    "/api/jobs/compare/sequences",
    query=SequencesQuery,
    summary="What two to four jobs went through, aligned by stage, with durations and differences",
)
def get_sequences(call: Call) -> dict[str, Any]:
    jobs = find_all(chosen(call.query.ids), jobs=bootstrap.jobs())
    sequences = compare_sequences(jobs, progress=bootstrap.progress(), now=call.now)
    return views_compare.sequences_json(jobs, align(sequences))
