"""The queue of the fixture API, over the jobs of its world: slots, the line, watching, history, the limit."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from chalicelib.domain import queue_words
from starlette.requests import Request

from tests.frontend.fixture_api import Handler
from tests.frontend.fixture_library import configure
from tests.frontend.fixture_world import Json, Refused, World, example, iso

HOLDING = ("provisioning", "running", "recovering", "pausing", "cancelling")
PROVISIONING_SECONDS = 300
RANKS = ("member", "manager", "admin", "owner")


@dataclass
class Line:
    """What the queue knows besides the jobs. seconds_each: how long every job holds its slot."""

    limit: int = 3
    seconds_each: int = 2100
    promoted: list[str] = field(default_factory=list)
    watched: set[str] = field(default_factory=set)
    requests: dict[str, str] = field(default_factory=dict)
    held_by: dict[str, str] = field(default_factory=dict)
    statistics: Json = field(default_factory=lambda: example("queue")["statistics"])


_LINES: WeakKeyDictionary[World, Line] = WeakKeyDictionary()


def line_of(world: World) -> Line:
    return _LINES.setdefault(world, Line())


def need(world: World, role: str) -> None:
    if RANKS.index(world.user["role"]) < RANKS.index(role):
        raise Refused(403, "not_allowed", f"This needs the role {role} or above.")


def wait_in_line(world: World, count: int, **changes: Any) -> list[Json]:
    """So many queued jobs, at the end of the line."""
    jobs = []
    for number in range(1, count + 1):
        job = world.add_job(name=f"Waiting {number}", **changes)
        job.update(status="queued", queued_at=world.tick(), started_at=None, stage=None, attempts=[])
        job["progress"].update(step=0, percent=0.0, elapsed_seconds=0, remaining_seconds=None)
        job["cost"].update(spent_usd="0.00")
        job["badge"] = {"label": "Queued", "tone": "queued", "pulsing": False}
        job.update(allowed_actions=["cancel", "edit_metadata"], status_sentence="Waiting for a free slot.")
        jobs.append(job)
    return jobs


def provision(world: World, job: Json) -> None:
    """The job has a slot and no GPU yet."""
    job["badge"] = {"label": "Provisioning", "tone": "provisioning", "pulsing": True}
    job.update(status="provisioning", changed_at=world.tick())


def train(world: World, job: Json) -> None:
    job["badge"] = {"label": "Training", "tone": "running", "pulsing": True}
    job.update(status="running", stage="training", started_at=world.tick(), changed_at=world.tick())


def waiting(world: World) -> list[Json]:
    """In the line's order: promoted jobs, the latest first, then first come, first served."""
    line = line_of(world)
    queued = [job for job in world.jobs.values() if job["status"] == "queued"]
    first = [job for job_id in reversed(line.promoted) for job in queued if job["id"] == job_id]
    rest = [job for job in queued if job not in first]
    return first + sorted(rest, key=lambda job: (job["queued_at"], job["id"]))


def starts_in(world: World, position: int) -> int:
    """Every slot is free after the same time, so the line starts in groups."""
    line = line_of(world)
    active = sum(job["status"] in HOLDING for job in world.jobs.values())
    ahead = max(0, position - (line.limit - active))
    return PROVISIONING_SECONDS + -(-ahead // line.limit) * line.seconds_each


def _row(world: World, job: Json) -> Json:
    row: Json = copy.deepcopy(example("queue")["slots"][0])
    row.update({key: job[key] for key in ("id", "name", "status", "badge", "created_by", "queued_at")})
    gpu = job["configuration"]["gpu"]
    row["configuration"].update(
        preset_name=job["configuration"]["preset_name"], gpu_name=gpu["name"], gpu_tier=gpu["tier"]
    )
    mine = job["created_by"]["id"] == world.user["id"]
    row.update(
        page=job["links"]["page"],
        may_change=mine or RANKS.index(world.user["role"]) > 0,
        stage=job["stage"],
        progress={name: job["progress"][name] for name in ("percent", "step", "total_steps")},
    )
    return row


def _slot(world: World, job: Json) -> Json:
    ends = world.now + timedelta(seconds=line_of(world).seconds_each)
    return {**_row(world, job), "estimated_completion_at": iso(ends)}


def _turn(world: World, position: int) -> Json:
    line = line_of(world)
    active = sum(job["status"] in HOLDING for job in world.jobs.values())
    ahead = max(0, position - max(0, line.limit - active))
    seconds = starts_in(world, position)
    return {
        "position": position,
        "estimated_start_at": iso(world.now + timedelta(seconds=seconds)),
        "starts_in_seconds": seconds,
        "confidence": "high" if ahead == 0 else "medium" if ahead <= 2 else "low",
        "jobs_ahead": ahead,
    }


def _waiting(world: World, job: Json, position: int) -> Json:
    line = line_of(world)
    row = {key: value for key, value in _row(world, job).items() if key not in ("stage", "progress")}
    held_by = line.held_by.get(job["id"])
    asked = line.requests.get(job["id"])
    return {
        **row,
        **_turn(world, position),
        "promoted": job["id"] in line.promoted,
        "held_by": held_by,
        "not_before": iso(world.now + timedelta(minutes=2)) if held_by else None,
        "promotion_requested": asked,
        "may_ask_promotion": position > 1 and asked is None and row["may_change"],
        "may_edit": row["may_change"] and job["started_at"] is None,
        "watching": job["id"] in line.watched,
    }


def read_queue(world: World, request: Request, body: Json) -> Any:
    line, queued = line_of(world), waiting(world)
    held = [job for job in world.jobs.values() if job["status"] in HOLDING]
    newcomer = _turn(world, len(queued) + 1)
    wait = timedelta(seconds=newcomer["starts_in_seconds"])
    advice = queue_words.advisory(len(held), line.limit, len(queued), wait)
    clears = starts_in(world, len(queued)) if queued else None
    return {
        "limit": line.limit,
        "active": len(held),
        "free": max(0, line.limit - len(held)),
        "slots": [_slot(world, job) for job in held],
        "queued": [_waiting(world, job, position) for position, job in enumerate(queued, 1)],
        "provisioning": [job["id"] for job in held if job["status"] == "provisioning"],
        "next_slot_at": iso(
            world.now + timedelta(seconds=0 if len(held) < line.limit else line.seconds_each)
        ),
        "clears_at": None if clears is None else iso(world.now + timedelta(seconds=clears)),
        "clears_in_seconds": clears,
        "next_job": {
            **newcomer,
            "advisory": None if advice is None else {"level": advice[0], "message": advice[1]},
        },
        "warning": queue_words.long_queue_warning(len(queued)),
        "full": queue_words.full_notice(len(held), line.limit),
        "statistics": {
            **line.statistics,
            "depth": len(queued),
            "depth_word": queue_words.depth_word(len(queued)),
        },
        "poll_after_seconds": 10,
    }


def _history(world: World, request: Request, body: Json) -> Any:
    need(world, "manager")
    page = example("queue_history")
    if request.query_params.get("cursor"):
        older = {**page["events"][-1], "job_name": "An older job", "at": "2026-11-20T10:00:00Z"}
        return {**page, "events": [older], "cursor": None}
    return {**page, "days": [*_days_before(page["days"][0]), *page["days"]]}


def _days_before(day: Json) -> list[Json]:
    """A fortnight in which the line grew and was worked off."""
    minutes = (12, 25, 18, 41, 64, 83, 70, 96, 55, 38, 44, 21, 9, 15)
    return [
        {
            **day,
            "day": f"2026-11-{number:02}",
            "added": 6,
            "started": 6,
            "average_wait_seconds": 60 * wait,
            "longest_wait_seconds": 150 * wait,
        }
        for number, wait in enumerate(minutes, 7)
    ]


def _reconfigure(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    if job["status"] != "queued":
        sentence = "Only a job that waits in the queue and has never trained can be configured anew."
        raise Refused(409, "wrong_status", sentence, {"status": job["status"]})
    configure(world, job, body)
    job["cost"]["spend_cap_usd"] = body["spend_cap_usd"]
    job["changed_at"] = world.tick()
    return job


def _watch(world: World, request: Request, body: Json) -> Any:
    job = world.job(request.path_params["job_id"])
    watched = line_of(world).watched
    (watched.add if body["queue"] else watched.discard)(job["id"])
    return {"id": job["id"], "queue": body["queue"]}


def _settings(world: World, request: Request, body: Mapping[str, Any]) -> Any:
    need(world, "admin")
    line = line_of(world)
    if request.method == "PUT":
        line.limit = body["concurrency_limit"]
    return {**example("settings"), "concurrency_limit": line.limit}


TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/queue", read_queue),
    ("GET", "/queue/history", _history),
    ("PUT", "/jobs/{job_id}/configuration", _reconfigure),
    ("PUT", "/jobs/{job_id}/watch", _watch),
    ("GET", "/settings", _settings),
    ("PUT", "/settings", _settings),
]
