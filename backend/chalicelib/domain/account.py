"""The provider's account as a circuit: open while it does not pay or its key is refused. Then one job tries at a time,
every few minutes, for every other would only be refused too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

# Under this name it is stored, unconditionally: whoever loses a race lets one more job try, or sends one more alert.
DOCUMENT = "account_circuit"

TRY_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Circuit:
    """since: when the present outage began; None while all is well. tried_at: when a job was last let through."""

    since: datetime | None = None
    tried_at: datetime | None = None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.since is not None


def trip(circuit: Circuit, reason: str, now: datetime) -> Circuit:
    """A refusal that concerns the whole account."""
    return Circuit(circuit.since or now, now, reason)


def admits_a_try(circuit: Circuit, now: datetime) -> bool:
    return circuit.tried_at is None or now >= circuit.tried_at + TRY_EVERY


def tried(circuit: Circuit, now: datetime) -> Circuit:
    return replace(circuit, tried_at=now)


def as_document(circuit: Circuit) -> dict[str, Any]:
    times = {"since": circuit.since, "tried_at": circuit.tried_at}
    return {"reason": circuit.reason, **{name: at.isoformat() for name, at in times.items() if at}}


def of_document(document: Mapping[str, Any] | None) -> Circuit:
    stored = document or {}
    return Circuit(_time(stored.get("since")), _time(stored.get("tried_at")), str(stored.get("reason", "")))


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
