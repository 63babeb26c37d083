"""What a deployment costs that runs nothing: its schedules, alarms and metrics; and what a running job adds to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from benchmarks.storm.manners import ROOT, Manners
from benchmarks.storm.prices import MONTHLY_USD, after_free_tier_usd, cost_usd
from benchmarks.storm.stage import Stage
from benchmarks.storm.units import Units, of_invocations, plus, times

MONTH_SECONDS = 30 * 24 * 3600
SECONDS_OF = {"minute": 60, "hour": 3600, "day": 24 * 3600}
CALLS = 4
# A running job for the sweeper to look at, until it is cancelled.
LINGERING = Manners(steps=500, step_seconds=1.0, checkpoint_every_steps=1000)
# The metric the sweeper writes each minute; others come with failures alone.
CUSTOM_METRICS = 1


def schedules() -> Iterator[tuple[str, float]]:
    """(function, calls a month) of each rule of the template."""
    resources = json.loads((ROOT / "infrastructure" / "schedules.json").read_text())["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Events::Rule":
            properties = resource["Properties"]
            count, unit = properties["ScheduleExpression"].removeprefix("rate(").rstrip(")").split()
            seconds = int(count) * SECONDS_OF[unit.rstrip("s")]
            yield properties["Targets"][0]["Id"], MONTH_SECONDS / seconds


def alarms() -> int:
    """How many the template has."""
    resources = json.loads((ROOT / "infrastructure" / "alarms.json").read_text())["Resources"]
    return sum(resource["Type"] == "AWS::CloudWatch::Alarm" for resource in resources.values())


def of_one(stage: Stage, function: str) -> Units:
    """Units of one warm call, with the request that the sweeper sends to our own front door."""
    stage.invoke(function)
    before = len(stage.metered())
    for _ in range(CALLS):
        stage.invoke(function)
    lines = [line for line in stage.metered()[before:] if is_by(line, function)]
    own = sum(line["route"] is None for line in lines)
    return times(of_invocations(lines), 1 / own)


def is_by(line: dict[str, Any], function: str) -> bool:
    """The function itself, or the request it makes to the API's health."""
    return str(line["function"]).endswith(f"-{function}") or (
        function == "SweepPods" and line["route"] == "GET /api/health"
    )


def month_of_idling(stage: Stage) -> tuple[dict[str, Any], Units]:
    """(the bill of an idle month, units that one running job adds to each minute)."""
    each = {function: of_one(stage, function) for function, _ in schedules()}
    month = plus(*(times(each[function], calls) for function, calls in schedules()))
    minutely = [function for function, calls in schedules() if calls >= MONTH_SECONDS / 60]
    stage.behave(LINGERING)
    job_id = stage.start(stage.api.http, "Lingering")
    stage.until_training(job_id)
    busy = {function: of_one(stage, function) for function in minutely}
    stage.api.cancel(job_id)
    stage.until_over(job_id)
    added = plus(*(plus(busy[function], times(each[function], -1)) for function in minutely))
    standing = {
        "alarms": MONTHLY_USD["alarms"] * alarms(),
        "custom_metrics": MONTHLY_USD["custom_metrics"] * CUSTOM_METRICS,
    }
    usd = cost_usd(month)
    total = sum(usd.values(), Decimal(0)) + sum(standing.values(), Decimal(0))
    free = {**month, "alarms": float(alarms()), "custom_metrics": float(CUSTOM_METRICS)}
    bill = {
        "usd": float(round(total, 2)),
        "usd_after_free_tiers": float(round(after_free_tier_usd(free), 2)),
        "usd_by_kind": {
            kind: float(round(amount, 3)) for kind, amount in {**usd, **standing}.items() if amount
        },
        "calls": round(sum(calls for _, calls in schedules())),
        "alarms": alarms(),
    }
    return bill, {kind: max(0.0, amount) for kind, amount in added.items()}
