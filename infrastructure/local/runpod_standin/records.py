"""What the stand-in remembers of a pod, and its form in the ledger."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

PROVISIONING = "PROVISIONING"
STARTING = "STARTING"
RUNNING = "RUNNING"
EXITED = "EXITED"
ERROR = "ERROR"
TERMINATED = "TERMINATED"

LIVE_STATUSES = frozenset({PROVISIONING, STARTING, RUNNING})

# What becomes of the pod once a process that was signalled is gone; a status, or this.
RESTART = "RESTART"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class PodRecord:
    """One pod, from its creation on; kept after its end, because bills are asked for later.

    Times are aware UTC. `process_identity` names a process beyond its pid, see `processes.identity`.
    `fate`: status to enter (or RESTART) when the signalled process is gone; None: nobody asked it to end.
    `hidden_list_calls`: how many more listings miss a new pod; `ghost_list_calls`: show a deleted one.
    """

    id: str
    sequence: int
    name: str
    request: dict[str, Any]
    pod_key: str
    gpu_id: str
    gpu_count: int
    cloud: str
    data_center_id: str
    cuda_version: str
    created_at: datetime
    phase_at: datetime
    status: str = PROVISIONING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    runtime_ready: bool = False
    stuck: bool = False
    pid: int | None = None
    process_identity: str | None = None
    container_at: datetime | None = None
    restart_at: datetime | None = None
    restarts: int = 0
    quick_exits: int = 0
    term_at: datetime | None = None
    fate: str | None = None
    hidden_list_calls: int = 0
    ghost_list_calls: int = 0
    ghost_status: str | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_STATUSES

    @property
    def facts(self) -> dict[str, str]:
        """By what a fault can be meant for this pod."""
        return {"pod_id": self.id, "name": self.name}

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of the create request."""
        return dict(self.request.get("env") or {})

    def uptime_since(self, now: datetime) -> float:
        """Seconds since the container was last started, running or not."""
        return (now - self.container_at).total_seconds() if self.container_at else 0.0

    def uptime_seconds(self, now: datetime) -> int:
        """Seconds since the container last started; 0 between two incarnations."""
        return max(0, int(self.uptime_since(now))) if self.pid is not None else 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> PodRecord:
        """Inverse of `to_json`. A column that a newer version wrote is ignored."""
        stored: dict[str, Any] = json.loads(text)
        known = {item.name for item in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in stored.items() if name in known}
        for name, value in values.items():
            if name.endswith("_at") and value is not None:
                values[name] = datetime.fromisoformat(value)
        return cls(**values)
