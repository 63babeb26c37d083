"""The queue as the API shows it: contracts/examples/queue.json, queue_history.json."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.domain import queue_words
from chalicelib.domain.approval import Approval
from chalicelib.domain.identity import User
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.queue import is_promoted, may_be_reconfigured
from chalicelib.domain.queue_forecast import Turn
from chalicelib.domain.queue_history import (
    THROUGHPUT_DAYS,
    WAIT_DAYS,
    Day,
    QueueEvent,
    Statistics,
    bottleneck,
)
from chalicelib.use_cases.read_queue import Held, QueueNow
from chalicelib.use_cases.read_queue_history import History
from chalicelib.views import person_json
from chalicelib.views_catalog import configuration_json, iso
from chalicelib.views_stages import progress_json
from chalicelib.views_status import badge

POLL_AFTER_SECONDS = 10
_BOTTLENECKS = {
    "slot": ("Concurrency limit", "Consider increasing the concurrency limit."),
    "gpu": ("GPU availability", "Consider another GPU type or tier."),
}


def queue_json(
    queue: QueueNow, facts: Statistics, asked: Mapping[str, Approval], reader: User
) -> dict[str, Any]:
    """asked: open requests for promotion by job. reader: whose watching and rights are shown."""
    waiting, active = len(queue.waiting), len(queue.held)
    clears_at = queue.forecast.clears_at
    turns = zip(queue.waiting, queue.forecast.turns, strict=True)
    return {
        "limit": queue.limit,
        "active": active,
        "free": max(0, queue.limit - active),
        "slots": [_slot(each, queue, reader) for each in queue.held],
        "queued": [_waiting(job, turn, queue, asked.get(job.id), reader) for job, turn in turns],
        "provisioning": [each.job.id for each in queue.held if each.job.status is JobStatus.PROVISIONING],
        "next_slot_at": iso(queue.forecast.next_slot_at),
        "clears_at": None if clears_at is None else iso(clears_at),
        "clears_in_seconds": None if clears_at is None else _seconds(clears_at - queue.at),
        "next_job": {**_turn(queue.forecast.newcomer, queue), "advisory": _advisory(queue)},
        "warning": queue_words.long_queue_warning(waiting),
        "full": queue_words.full_notice(active, queue.limit),
        "statistics": statistics_json(facts, waiting),
        "poll_after_seconds": POLL_AFTER_SECONDS,
    }


def statistics_json(facts: Statistics, waiting: int) -> dict[str, Any]:
    return {
        "average_wait_seconds": _rounded(facts.average_wait_seconds),
        "average_wait_days": WAIT_DAYS,
        "sample_size": facts.starts,
        "starts_per_day": round(facts.starts_per_day, 1),
        "starts_per_day_days": THROUGHPUT_DAYS,
        "longest_wait_seconds": _rounded(facts.longest_wait_seconds),
        "depth": waiting,
        "depth_word": queue_words.depth_word(waiting),
        "trend": facts.trend,
    }


def _job(job: Job, reader: User) -> dict[str, Any]:
    configuration = configuration_json(job.configuration)
    return {
        "id": job.id,
        "name": job.name,
        "status": job.status.value,
        "badge": badge(job),
        "created_by": person_json(job.created_by),
        "queued_at": None if job.queued_at is None else iso(job.queued_at),
        "configuration": {
            "preset_name": configuration["preset_name"],
            "summary": configuration["summary"],
            "gpu_name": job.configuration.gpu.name,
            "gpu_tier": job.configuration.gpu.tier.value,
        },
        "page": f"/training-jobs/{job.id}",
        "may_change": job.may_be_changed_by(reader),
    }


def _slot(held: Held, queue: QueueNow, reader: User) -> dict[str, Any]:
    progress = progress_json(held.job, held.row, queue.at)
    return {
        **_job(held.job, reader),
        "stage": None if held.job.stage is None else held.job.stage.value,
        "progress": {name: progress[name] for name in ("percent", "step", "total_steps")},
        "estimated_completion_at": iso(held.ends_at),
    }


def _waiting(job: Job, turn: Turn, queue: QueueNow, asked: Approval | None, reader: User) -> dict[str, Any]:
    is_asked = asked is not None and not asked.is_expired(queue.at)
    return {
        **_job(job, reader),
        **_turn(turn, queue),
        "promoted": is_promoted(job),
        "held_by": job.held_by,
        "not_before": None if job.not_before is None else iso(job.not_before),
        "promotion_requested": asked.id if asked is not None and is_asked else None,
        "may_ask_promotion": turn.position > 1 and not is_asked and job.may_be_changed_by(reader),
        "may_edit": job.may_be_changed_by(reader) and may_be_reconfigured(job),
        "watching": any(person.id == reader.id for person in job.watchers),
    }


def _turn(turn: Turn, queue: QueueNow) -> dict[str, Any]:
    return {
        "position": turn.position,
        "estimated_start_at": iso(turn.starts_at),
        "starts_in_seconds": _seconds(turn.starts_at - queue.at),
        "confidence": turn.confidence.value,
        "jobs_ahead": turn.waits_for,
    }


def _advisory(queue: QueueNow) -> dict[str, str] | None:
    wait = queue.forecast.newcomer.starts_at - queue.at
    found = queue_words.advisory(len(queue.held), queue.limit, len(queue.waiting), wait)
    return None if found is None else {"level": found[0], "message": found[1]}


def history_json(history: History) -> dict[str, Any]:
    return {
        "events": [_event(event) for event in history.events],
        "cursor": None if history.before is None else as_cursor(history.before),
        "days": [_day(day.isoformat(), row) for day, row in history.days.items()],
        "bottleneck": _bottleneck(history.days),
    }


def _event(event: QueueEvent) -> dict[str, Any]:
    return {
        "at": iso(event.at),
        "type": event.kind,
        "job_id": event.job_id,
        "job_name": event.job_name,
        "by": event.person,
        "wait_seconds": _rounded(event.wait_seconds),
        "old_position": event.old_position,
        "new_position": event.new_position,
        "reason": event.reason,
    }


def _day(day: str, row: Day) -> dict[str, Any]:
    return {
        "day": day,
        "added": row.added,
        "started": row.started,
        "returned": row.returned,
        "removed": row.removed,
        "promoted": row.promoted,
        "average_wait_seconds": _rounded(row.average_wait_seconds),
        "longest_wait_seconds": _rounded(row.longest_wait_seconds) if row.started else None,
    }


def _bottleneck(days: Mapping[Any, Day]) -> dict[str, Any] | None:
    found = bottleneck(days.values())
    if found is None:
        return None
    label, advice = _BOTTLENECKS[found[0]]
    percent = round(100 * found[1])
    return {
        "reason": found[0],
        "percent": percent,
        "sample_size": found[2],
        "message": f"Most common reason for long queues: {label} ({percent}%)",
        "advice": advice,
    }


def as_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """ValueError for text that is no cursor of ours."""
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _seconds(span: timedelta) -> int:
    return round(span.total_seconds())
