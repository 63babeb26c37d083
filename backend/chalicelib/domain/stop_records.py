"""Facts of stopped jobs as plain JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.job import JobStatus
from chalicelib.domain.pause import Pause
from chalicelib.domain.person import Person
from chalicelib.domain.stops import JobFacts

_TIMES = ("started_at", "ended_at", "cancelled_at")
_MONEY = ("spent_usd", "expected_usd", "rate_usd")
_PAUSE_TIMES = ("paused_at", "resumed_at", "over_at", "expired_at")


def as_record(facts: JobFacts) -> dict[str, Any]:
    """Without what is empty: a thousand of them share one document."""
    record = {name: value for name, value in asdict(facts).items() if value not in (None, (), "")}
    return {name: _plain(value) for name, value in record.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def from_record(record: Mapping[str, Any]) -> JobFacts:
    return JobFacts(
        **{
            **record,
            "person": Person(**record["person"]),
            "status": JobStatus(record["status"]),
            "at": datetime.fromisoformat(record["at"]),
            **{name: datetime.fromisoformat(record[name]) for name in _TIMES if name in record},
            **{name: Decimal(record[name]) for name in _MONEY if name in record},
            "pauses": tuple(_pause(each) for each in record.get("pauses", ())),
            "losses": tuple(datetime.fromisoformat(each) for each in record.get("losses", ())),
        }
    )


def _pause(record: Mapping[str, Any]) -> Pause:
    by = {"asked_by": Person(**record["asked_by"])}
    if "resumed_by" in record:
        by["resumed_by"] = Person(**record["resumed_by"])
    times = {
        name: datetime.fromisoformat(record[name]) for name in (*_PAUSE_TIMES, "asked_at") if name in record
    }
    return Pause(**{**record, **by, **times})
