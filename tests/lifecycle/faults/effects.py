"""Every effect that can go wrong, and how: ports, step Lambdas, webhook calls, people, schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.errors import (
    ProviderReplyLost,
    ProviderUnavailable,
    ServiceUnavailable,
    StorageUnavailable,
)

from tests.lifecycle.machine import LambdaDied


class Kind(StrEnum):
    """What becomes of one call."""

    BEFORE = "before"  # nothing happened, and an error says so
    AFTER = "after"  # it happened; the reply was lost
    KILLED = "killed"  # it happened; then the process that asked for it was killed
    TWICE = "twice"  # it happened two times, as a client that sends again makes it; the second reply counts
    LATE = "late"  # it happens some seconds from now
    VERY_LATE = "very_late"  # it happens after a minute and a half
    STALE = "stale"  # a read that may lag answers what it answered before
    HIDDEN = "hidden"  # a pod was rented, the reply was lost, and the next lists do not show it
    # Somebody else does something just before the call.
    CANCELLED = "cancelled"  # a person cancels the job
    PAUSED = "paused"  # a person pauses the job
    RESTARTED = "restarted"  # the sweeper takes every execution for dead and starts new runs
    SWEPT = "swept"  # the minute schedule runs
    SPOKEN = "spoken"  # the pods of the job say their next words


BETWEEN = (Kind.CANCELLED, Kind.PAUSED, Kind.RESTARTED, Kind.SWEPT, Kind.SPOKEN)
LATE_SECONDS: Mapping[Kind, float] = {Kind.LATE: 25.0, Kind.VERY_LATE: 100.0}


@dataclass(frozen=True)
class Effect:
    """error: what the caller sees when the call fails. late_reply: what it sees of a call that was only accepted;
    None: the error."""

    port: str
    method: str
    kinds: tuple[Kind, ...]
    error: Callable[[], Exception]
    late_reply: Callable[[], Any] | None = None
    stale_reply: Callable[[], Any] = tuple

    @property
    def name(self) -> str:
        return f"{self.port}.{self.method}"


def _store() -> Exception:
    return ServiceUnavailable("The database did not answer.")


def _storage() -> Exception:
    return StorageUnavailable("Storage did not answer.")


def _provider() -> Exception:
    return ProviderUnavailable("RunPod answered 500.")


def _create() -> Exception:
    return ProviderReplyLost("RunPod answered 500 to create.")


def _machine() -> Exception:
    return ServiceUnavailable("The state machine did not answer.")


def killed() -> Exception:
    return LambdaDied("killed")


_LATER = (Kind.LATE, Kind.VERY_LATE)
_WRITE = (Kind.BEFORE, Kind.AFTER, Kind.KILLED, Kind.TWICE, *_LATER, *BETWEEN)
_READ = (Kind.BEFORE,)
_CALL = (Kind.BEFORE, Kind.AFTER, Kind.TWICE, *_LATER)


def _nothing() -> None:
    return None


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


PORTS: tuple[Effect, ...] = (
    Effect("jobs", "get", _READ, _store),
    Effect("jobs", "slots", _READ, _store),
    Effect("jobs", "by_status", (*_READ, Kind.STALE), _store),
    Effect("jobs", "save", _WRITE, _store),
    Effect("jobs", "save_with_slots", _WRITE, _store),
    Effect("progress", "get", _READ, _store),
    Effect("progress", "save", _WRITE, _store),
    Effect("attempts", "get", _READ, _store),
    Effect("attempts", "of_job", _READ, _store),
    Effect("attempts", "save", _WRITE, _store),
    Effect("terminations", "open", _READ, _store),
    Effect("terminations", "add", _WRITE, _store),
    Effect("terminations", "close", _WRITE, _store),
    # Not late: the line of an attempt is put unconditionally, and one that lands after a newer one would take its place.
    Effect("costs", "put", tuple(kind for kind in _WRITE if kind not in _LATER), _store),
    Effect("models", "get", _READ, _store),
    Effect("models", "save", _WRITE, _store),
    Effect("documents", "get", _READ, _store),
    Effect("notifications", "add", _WRITE, _store),
    # Best effort by contract: the adapter swallows its errors.
    Effect("notifier", "mail", (Kind.KILLED, *_LATER), _store, late_reply=_nothing),
    Effect("audit", "record", (Kind.BEFORE, Kind.AFTER, Kind.KILLED), _store),
    Effect("files", "head", _READ, _storage),
    Effect("files", "read_chunks", _READ, _storage),
    Effect("files", "list", _READ, _storage),
    Effect("files", "delete", (Kind.BEFORE, Kind.AFTER, Kind.KILLED, Kind.TWICE, *_LATER), _storage),
    Effect("files", "delete_prefix", (Kind.BEFORE, Kind.AFTER, Kind.KILLED, Kind.TWICE, *_LATER), _storage),
    Effect("documents", "put", _WRITE, _store),
    Effect("cloud", "logs", _READ, _provider),
    Effect("cloud", "list", (*_READ, Kind.STALE, *BETWEEN), _provider),
    Effect("cloud", "get", _READ, _provider),
    Effect("cloud", "create", (*_WRITE, Kind.HIDDEN), _create),
    Effect("cloud", "delete", _WRITE, _provider, late_reply=_nothing),
    Effect("workflow", "start", _WRITE, _machine, late_reply=_nothing),
    Effect("workflow", "end_wait", _WRITE, _machine, late_reply=_yes),
    Effect("workflow", "fail_wait", _WRITE, _machine, late_reply=_yes),
    Effect(
        "workflow", "heartbeat", (Kind.BEFORE, Kind.AFTER, Kind.KILLED, *_LATER), _machine, late_reply=_yes
    ),
    Effect("workflow", "is_running", (*_READ, Kind.STALE), _machine, stale_reply=_no),
)


def step(name: str) -> Effect:
    """A step Lambda: killed before it began, killed or timed out after its work, invoked twice, or still at work while
    its retry begins."""
    return Effect("step", name, _CALL, killed)


def webhook(name: str) -> Effect:
    """A pod's call: lost on its way in or out, sent twice, or delivered after the pod has given up and sent again."""
    return Effect("webhook", name, _CALL, _store)


def person(name: str) -> Effect:
    return Effect("person", name, _CALL, _store)


def schedule(name: str) -> Effect:
    return Effect("schedule", name, (Kind.BEFORE, Kind.TWICE, *_LATER), killed, late_reply=_nothing)


def upload(name: str) -> Effect:
    """A pod's own PUT into storage."""
    return Effect("storage", name, _CALL, _storage)
