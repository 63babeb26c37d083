"""The switchboard: how the stand-in is told to misbehave, and how often it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# name -> parameters it takes, with their defaults; None: any value matches. README.md says what each does.
_SELECT_NAME: dict[str, Any] = {"name_contains": None}
_SELECT_POD: dict[str, Any] = {"pod_id": None, "name": None, **_SELECT_NAME}
_SELECT_OFFER: dict[str, Any] = {"gpu_id": None, "tier": None, **_SELECT_NAME}
_SELECT_CALL: dict[str, Any] = {"operation": None, **_SELECT_NAME}
_SELECT_CREATE: dict[str, Any] = {"operation": "create", **_SELECT_NAME}
KNOWN_FAULTS: dict[str, dict[str, Any]] = {
    "no_capacity": dict(_SELECT_OFFER),
    "access_denied_403": dict(_SELECT_OFFER),
    "balance_402": dict(_SELECT_NAME),
    "unprocessable_422": dict(_SELECT_NAME),
    "key_401": dict(_SELECT_CALL),
    "edge_403_1010": dict(_SELECT_CALL),
    "throttle_429": {**_SELECT_CALL, "retry_after_seconds": 1},
    "error_500_before": dict(_SELECT_CREATE),
    "error_500_after": dict(_SELECT_CREATE),
    "drop_before": dict(_SELECT_CREATE),
    "drop_reply": dict(_SELECT_CREATE),
    "timeout_hang": {**_SELECT_CREATE, "seconds": 120.0},
    "list_500": {},
    "get_500": dict(_SELECT_POD),
    "delete_500": dict(_SELECT_POD),
    "delete_ignored": dict(_SELECT_POD),
    "self_delete_refused": dict(_SELECT_POD),
    "list_lag_new": {"calls": 2, "name": None, **_SELECT_NAME},
    "list_lag_deleted": {"calls": 2, **_SELECT_POD},
    "stuck_provisioning": dict(_SELECT_POD),
    "running_without_runtime": dict(_SELECT_POD),
    "spot_kill_term": {"after_seconds": 0.0, **_SELECT_POD},
    "spot_kill_no_term": {"after_seconds": 0.0, **_SELECT_POD},
    "restart_loop": {"after_seconds": 1.0, **_SELECT_POD},
    "disappear": {"after_seconds": 0.0, **_SELECT_POD},
    "error_status": {"after_seconds": 0.0, **_SELECT_POD},
    "exit_seconds": {"seconds": 2.0, **_SELECT_POD},
}
_SELECTORS = frozenset({"operation", "gpu_id", "tier", "pod_id", "name"})


class UnknownFaultError(ValueError):
    """The request names no fault or parameter of the table; the text lists what there is."""


@dataclass(slots=True)
class Fault:
    """One armed fault. `remaining` None: until cleared; 0: spent."""

    name: str
    remaining: int | None
    params: dict[str, Any]
    fired: int = 0

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """Whether every selector that was set agrees with the facts of the moment."""
        part = self.params.get("name_contains")
        if part is not None and str(part) not in str(facts.get("name", "")):
            return False
        return all(
            facts.get(name) == wanted
            for name, wanted in self.params.items()
            if name in _SELECTORS and wanted is not None
        )

    def number(self, name: str) -> float:
        return float(self.params[name])

    def view(self) -> dict[str, Any]:
        return {"fault": self.name, "remaining": self.remaining, "fired": self.fired, **self.params}


@dataclass(slots=True)
class Switchboard:
    """Armed faults in the order they were armed. Deterministic: the first that matches fires."""

    faults: list[Fault] = field(default_factory=list)

    def arm(self, name: str, count: int | None, params: Mapping[str, Any]) -> Fault:
        """Raises UnknownFaultError for a name, parameter, count or number that means nothing."""
        if name not in KNOWN_FAULTS:
            raise UnknownFaultError(f"there is no fault {name!r}; known faults: {', '.join(KNOWN_FAULTS)}")
        defaults = KNOWN_FAULTS[name]
        for param, value in params.items():
            if param not in defaults:
                raise UnknownFaultError(f"{name} takes {sorted(defaults) or 'no parameters'}, not {param!r}")
            if isinstance(defaults[param], (int, float)) and not isinstance(value, (int, float)):
                raise UnknownFaultError(f"{param} of {name} is a number, not {value!r}")
        if count is not None and (not isinstance(count, int) or count < 1):
            raise UnknownFaultError(
                f"count is a whole number from 1, or null for 'until cleared', not {count!r}"
            )
        fault = Fault(name, count, {**defaults, **params})
        self.faults.append(fault)
        return fault

    def take(
        self,
        name: str,
        facts: Mapping[str, Any] | None = None,
        when: Callable[[Fault], bool] | None = None,
    ) -> Fault | None:
        """Fires the first armed fault of that name that matches `facts` (and `when`); None: behave."""
        for fault in self.faults:
            if fault.name != name or fault.remaining == 0 or not fault.matches(facts or {}):
                continue
            if when is not None and not when(fault):
                continue
            fault.fired += 1
            if fault.remaining is not None:
                fault.remaining -= 1
            return fault
        return None

    def clear(self, name: str | None = None, name_contains: str | None = None) -> None:
        """Disarms every fault, or those of one kind, or those meant for pods by that part of their name."""

        def stays(fault: Fault) -> bool:
            other_kind = name is not None and fault.name != name
            return other_kind or (
                name_contains is not None and fault.params.get("name_contains") != name_contains
            )

        self.faults = [fault for fault in self.faults if stays(fault)]
