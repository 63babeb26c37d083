"""The jobs list of the fixture API: filters with their counts, actions on many jobs, the CSV file."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from tests.frontend.fixture_world import Json, Refused, World, example

ACTIVE = ("queued", "provisioning", "running", "recovering", "pausing", "paused", "cancelling")
TABS = ("all", "active", "completed", "failed", "cancelled", "draft")
BUCKETS = {"lt_50": (0, 50), "50_100": (50, 100), "100_200": (100, 200.000001), "gt_200": (200.000001, 1e9)}
Query = dict[str, Any]


def page_of(query: Query, items: list[Json], default: int = 25) -> tuple[list[Json], Json]:
    page, limit = int(query.get("page", 1)), int(query.get("limit", default))
    total = len(items)
    pagination = {"page": page, "limit": limit, "total": total, "total_pages": max(1, -(-total // limit))}
    return items[(page - 1) * limit : page * limit], pagination


def _in_tab(job: Json, tab: str) -> bool:
    groups = {"active": ACTIVE, "draft": ("pending_configuration",)}
    return tab == "all" or job["status"] in groups.get(tab, (tab,))


def _bucket(job: Json) -> str:
    spent = float(job["cost"]["spent_usd"])
    return next(name for name, (low, high) in BUCKETS.items() if low <= spent < high)


def _tier(job: Json) -> str:
    return str(job["configuration"]["gpu"]["tier"])


# Each filter of the query with the value of a job it is held against.
FACETS: dict[str, Callable[[Json], str]] = {
    "status": lambda job: job["status"],
    "preset": lambda job: job["configuration"]["preset_id"],
    "created_by": lambda job: job["created_by"]["id"],
    "gpu_tier": _tier,
    "cost": _bucket,
}


def _base(job: Json, query: Query) -> bool:
    """What no facet is counted without: the words and a custom range, whose days do not move with the clock."""
    text = f"{job['name']} {job['notes']} {' '.join(job['tags'])}".lower()
    day = job["created_at"][:10]
    in_range = "date_to" not in query or query.get("date_from", day) <= day <= query["date_to"]
    if query.get("tag", "") not in ("", *job["tags"]):
        return False
    return query.get("search", "").lower() in text and (in_range or job["status"] in ACTIVE)


def _fits(world: World, job: Json, query: Query, but: str = "") -> bool:
    if but != "tab" and not _in_tab(job, query.get("tab", "all")):
        return False
    return all(
        name == but or name not in query or value(job) in _values(world, query[name])
        for name, value in FACETS.items()
    )


def _values(world: World, text: str) -> list[str]:
    return [world.user["id"] if each == "me" else each for each in text.split(",")]


def _counted(world: World, jobs: list[Json], query: Query) -> Json:
    counts: Json = copy.deepcopy(example("job_list")["counts"])
    of = {name: [job for job in jobs if _fits(world, job, query, name)] for name in ("tab", *FACETS)}
    counts["tab"] = {name: sum(_in_tab(job, name) for job in of["tab"]) for name in TABS}
    for name in ("status", "preset", "gpu_tier"):
        found = [FACETS[name](job) for job in of[name]]
        counts[name] = {value: found.count(value) for value in sorted(set(found))}
    people = {job["created_by"]["id"]: job["created_by"]["name"] for job in of["created_by"]}
    counts["created_by"] = [
        {"id": key, "name": name, "count": sum(job["created_by"]["id"] == key for job in of["created_by"])}
        for key, name in people.items()
    ]
    spent = {name: [j["cost"]["spent_usd"] for j in of["cost"] if _bucket(j) == name] for name in BUCKETS}
    counts["cost"] = {
        name: {"count": len(each), "total_usd": f"{sum(map(float, each)):.2f}"}
        for name, each in spent.items()
        if each
    }
    return counts


def _chosen(world: World, query: Query) -> tuple[list[Json], list[Json]]:
    jobs = [job for job in world.jobs.values() if _base(job, query)]
    keys: dict[str, Callable[[Json], Any]] = {
        "cost": lambda job: float(job["cost"]["spent_usd"]),
        "status": lambda job: job["status"],
        "ended_at": lambda job: job["ended_at"] or "",
    }
    chosen = sorted(
        (job for job in jobs if _fits(world, job, query)),
        key=keys.get(query.get("sort_by", ""), lambda job: job["id"]),
        reverse=query.get("sort_dir") != "asc",
    )
    return jobs, chosen


def list_jobs(world: World, request: Request, body: Json) -> Any:
    query = dict(request.query_params)
    jobs, chosen = _chosen(world, query)
    shown, pagination = page_of(query, chosen)
    return {
        "jobs": [_row(job) for job in shown],
        "counts": _counted(world, jobs, query),
        "pagination": pagination,
    }


def _row(job: Json) -> Json:
    row: Json = copy.deepcopy(example("job_list")["jobs"][0])
    row.update(
        {key: job[key] for key in row if key in job and key not in ("configuration", "progress", "cost")}
    )
    for part in ("configuration", "progress", "cost"):
        row[part].update({key: value for key, value in job[part].items() if key in row[part]})
    row["configuration"]["gpu_tier"] = _tier(job)
    row["highlights"] = {}
    row["duration_seconds"] = job["progress"]["elapsed_seconds"]
    row["paused_seconds"] = job["times"]["paused_seconds"]
    return row


def bulk(world: World, request: Request, body: Json) -> Any:
    results = [_one(world, job_id, body) for job_id in body["job_ids"]]
    done = sum(each["ok"] for each in results)
    return {
        "action": body["action"],
        "results": results,
        "succeeded": done,
        "failed": len(results) - done,
    }


def _one(world: World, job_id: str, body: Json) -> Json:
    try:
        job = world.job(job_id)
        if job["name"].startswith("Guarded"):
            raise Refused(403, "not_allowed", "Only the person who made this job, or a manager, may do this.")
        if body["action"] == "cancel":
            status = world.request_cancel(job_id, body["reason"], body.get("notes"))["status"]
        else:
            del world.jobs[job_id]
            status = "deleted"
        return {"job_id": job_id, "ok": True, "status": status, "error": None}
    except Refused as refused:
        error = {"code": refused.code, "message": refused.sentence}
        return {"job_id": job_id, "ok": False, "status": None, "error": error}


def export(world: World, request: Request, body: Json) -> Any:
    filters = body.get("filters") or {}
    _, chosen = _chosen(world, filters)
    wanted = [job for job in chosen if job["id"] in filters.get("job_ids", [job["id"]])]
    offset = body.get("offset", 0)
    part = wanted[offset : offset + body.get("limit", 10_000)]
    header = [] if offset else [("Job ID", "Name", "Cost ($)")]
    out = io.StringIO()
    csv.writer(out).writerows([*header, *((j["id"], j["name"], j["cost"]["spent_usd"]) for j in part)])
    made = {**example("export_reply"), "content": out.getvalue(), "rows": len(part), "total": len(wanted)}
    if "large" in world.failing:
        made.update(
            id="exp_aaaaaaaaaaaaaaaa", content=None, url=f"{world.bucket_origin}/bucket/{made['file_name']}"
        )
    return made
