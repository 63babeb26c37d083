"""Builds the events of contracts/trainer_event.schema.json. Losses are mean nats per supervised token."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

Event = dict[str, Any]
# What every step of the recipe gets to speak with: the event, and whether it must be told at once.
Say = Callable[[Event, bool], None]
Stage = Literal["preprocessing", "model_loading", "training", "finalization"]


def stage(name: Stage, message: str, progress: float, completed: bool = False, **data: Any) -> Event:
    """Where the trainer is; progress is the share of the stage, 0 to 1."""
    event: Event = {
        "type": "stage",
        "stage": name,
        "state": "completed" if completed else "active",
        "message": message[:500],
        "progress": min(1.0, max(0.0, progress)),
    }
    return {**event, "data": data} if data else event


def note(kind: Literal["info", "warning", "stopping"], message: str, code: str, **data: Any) -> Event:
    """Something to tell the user."""
    event: Event = {"type": kind, "message": message[:2000], "code": code}
    return {**event, "data": data} if data else event


def metrics(step: int, epoch: float, **values: float | None) -> Event:
    """One point of the curves. Values that are not finite become null: JSON has no other word for them."""
    return {"type": "metrics", "step": step, "epoch": round(epoch, 6)} | {
        key: None if value is None or not math.isfinite(value) else value for key, value in values.items()
    }


def error(end_reason: str, message: str, step: int | None, stack: str | None, data: dict[str, Any]) -> Event:
    """The trainer gave up."""
    event: Event = {"type": "error", "end_reason": end_reason, "message": message[:4000], "step": step}
    if stack:
        event["stack"] = stack[-20000:]
    return {**event, "data": data} if data else event
