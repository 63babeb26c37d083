"""The in-app feed: what a person is told, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Notification:
    """`id` sorts by time and is made from what happened, so that telling twice adds nothing."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    priority: Priority
    at: datetime
    link: str | None = None
    read: bool = False
