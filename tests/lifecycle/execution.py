"""What the state machine remembers of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Wait:
    """A task that has handed out its token. ended: ("success", output) or (error name, cause)."""

    token: str
    times_out_at: datetime
    heartbeat_seconds: float | None
    silent_at: datetime | None
    ended: tuple[str, Any] | None = None

    def due_at(self) -> datetime:
        return min(self.times_out_at, self.silent_at or self.times_out_at)


@dataclass
class Execution:
    """One run. `trail` is every state entered, in order."""

    name: str
    input: dict[str, Any]
    state: str
    variables: dict[str, Any] = field(default_factory=dict)
    status: str = "RUNNING"
    wait: Wait | None = None
    retry_at: datetime | None = None
    tries: dict[int, int] = field(default_factory=dict)
    trail: list[str] = field(default_factory=list)
    error: str = ""

    def due_at(self) -> datetime | None:
        if self.status != "RUNNING":
            return None
        return self.wait.due_at() if self.wait else self.retry_at
