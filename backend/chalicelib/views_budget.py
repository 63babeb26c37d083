"""The budget as the API shows it: contracts/examples/budget.json."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain.budget import THRESHOLDS_PERCENT, Standing, month_span, reached
from chalicelib.views_catalog import iso, usd


def budget_json(found: Standing, job_names: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """job_names: of the jobs that hold a reservation, as far as they are known."""
    return {
        "month": found.month,
        "limit_usd": _or_null(found.limit_usd),
        "grace_percent": float(found.grace_percent),
        "month_to_date_usd": usd(found.month_to_date_usd),
        "provisional_usd": usd(found.provisional_usd),
        "reserved_usd": usd(found.reserved_usd),
        "remaining_usd": _or_null(found.remaining_usd),
        "forecast_usd": usd(found.forecast_usd),
        "used_percent": None if found.used_percent is None else round(found.used_percent, 1),
        "level": level(found),
        "thresholds": [
            {"percent": percent, "usd": _share(found, percent), "reached": percent in reached(found)}
            for percent in THRESHOLDS_PERCENT
        ],
        "alert": alert(found, now),
        "resets_at": iso(month_span(now)[1]),
        "reservations": [
            {"job_id": job_id, "job_name": job_names.get(job_id), "usd": usd(amount)}
            for job_id, amount in sorted(found.reserved.items(), key=lambda each: (-each[1], each[0]))
        ],
    }


def level(found: Standing) -> str:
    """ok, near (80 %), critical (90 %), over (100 %); none without a limit."""
    if found.limit_usd is None:
        return "none"
    words = {80: "near", 90: "critical", 100: "over"}
    passed = reached(found)
    return words[passed[-1]] if passed else "ok"


def alert(found: Standing, now: datetime) -> str | None:
    """The sentence for the highest threshold that is passed."""
    passed = reached(found)
    if not passed or found.limit_usd is None:
        return None
    left = max(Decimal(0), found.limit_usd - found.month_to_date_usd)
    used = f"(${found.month_to_date_usd:.2f} of ${found.limit_usd:.2f})"
    if passed[-1] == 80:
        resets = f"{month_span(now)[1]:%Y-%m-%d}"
        return (
            f"Budget Alert: You've used {found.used_percent:.0f}% of your monthly budget {used}. "
            f"Remaining: ${left:.2f} for this billing period (resets {resets})."
        )
    if passed[-1] == 90:
        return (
            f"Critical Budget Alert: {found.used_percent:.0f}% of monthly budget used {used}. "
            f"Only ${left:.2f} remaining. Consider prioritizing essential training runs."
        )
    return f"Budget used up: {found.used_percent:.0f}% of this month's budget is spent {used}."


def _share(found: Standing, percent: int) -> str | None:
    return None if found.limit_usd is None else usd(found.limit_usd * percent / 100)


def _or_null(amount: Decimal | None) -> str | None:
    return None if amount is None else usd(amount)
