"""Cancellations and pauses as the API shows them: contracts/examples/stops.json."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from chalicelib.domain.catalogue import reason_label
from chalicelib.domain.peak_hours import Exposure, exposure, off_peak_share, reduction
from chalicelib.domain.stops import Cancellations, JobFacts, Pausing, by_person, cancellations, pausing
from chalicelib.views import person_json
from chalicelib.views_catalog import usd


def stops_json(facts: Sequence[JobFacts], days: int, zone: tzinfo, now: datetime) -> dict[str, Any]:
    """Rates and shares are null below five cases; each stands beside its number of cases."""
    paused = [each for each in facts if each.pauses]
    hours = exposure(paused, zone, now, spot_only=False)
    people = [
        {
            "person": person_json(person),
            "cancellations": _cancellations(cancellations(own)),
            "pauses": _pauses(pausing(own, now)),
        }
        for person, own in by_person(facts)
    ]
    found = cancellations(facts)
    return {
        "days": days,
        "jobs": len(facts),
        "cancellations": {
            **_cancellations(found),
            "reasons": [
                {"id": reason, "label": reason_label(reason) or reason, "count": count}
                for reason, count in found.reasons
            ],
        },
        "pauses": {
            **_pauses(pausing(facts, now)),
            "off_peak_share": _share(off_peak_share(hours)),
            "off_peak_of_hours": round(hours.hours, 1),
        },
        "people": people,
        "advice": advice_json(exposure(facts, zone, now), zone),
    }


def _cancellations(found: Cancellations) -> dict[str, Any]:
    return {
        "ended": found.ended,
        "cancelled": found.cancelled,
        "rate": _share(found.rate),
        "seconds_to_cancel": None if found.seconds_to_cancel is None else round(found.seconds_to_cancel),
        "started": found.started,
        "spent_usd": usd(found.spent_usd),
        "saved_usd": usd(found.saved_usd),
    }


def _pauses(found: Pausing) -> dict[str, Any]:
    return {
        "jobs": found.jobs,
        "paused": found.paused,
        "pauses": found.pauses,
        "rate": _share(found.rate),
        "average_seconds": None if found.average_seconds is None else round(found.average_seconds),
        "over": found.over,
        "resumed": found.resumed,
        "resumed_completed": found.resumed_completed,
        "resume_success": _share(found.resume_success),
        "saved_usd": usd(found.saved_usd),
    }


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def advice_json(found: Exposure, zone: tzinfo) -> dict[str, Any] | None:
    share = reduction(found)
    if share is None:
        return None
    percent = round(100 * share)
    return {
        "sentence": f"Pause training during peak hours (9 AM - 5 PM) to reduce spot interruption risk by {percent}%",
        "basis": f"From {found.losses} interruptions in {found.hours:,.0f} hours on spot GPUs of your own jobs.",
        "reduction_percent": percent,
        "interruptions": found.losses,
        "hours": round(found.hours, 1),
        "time_zone": str(zone),
    }
