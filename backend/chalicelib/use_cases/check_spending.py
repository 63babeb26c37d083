"""What a pod's present price says about its job's cap: reckons the money again, warns once, and asks for the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain import watch
from chalicelib.domain.attempt import Attempt
from chalicelib.domain.job import Job
from chalicelib.domain.progress import LogEvent, Money, Progress, check_money
from chalicelib.ports import ProgressStore
from chalicelib.use_cases.again import again

Warn = Callable[[str, Job, datetime, str], object]
# Between two looks at the price. A rise may have come right after the look before.
LOOK_SECONDS = 60
# An agent sends every 15 s: after this long, only the minute sweep looks at the cap.
_SILENT_SECONDS = 30


def check_spending(
    job: Job, attempt: Attempt, *, progress: ProgressStore, warn: Warn, now: datetime
) -> Progress | None:
    """The row afterwards; None when there is none, or it is of another attempt."""

    def once() -> Progress | None:
        before = progress.get(job.id)
        if before is None or before.money is None or before.attempt != attempt.number:
            return None
        row = replace(before, money=_reckoned(before.money, attempt.rate_usd_per_hour, now))
        row = check_money(row, now, ahead_seconds=LOOK_SECONDS if _is_silent(row, now) else 0)
        lines: list[LogEvent] = []
        for warned in watch.due(row, {}, now):
            lines.append(
                LogEvent(row.event_count, now, "warning", warned.message, row.attempt, dict(warned.data))
            )
            row = replace(watch.given(row, warned, now), event_count=row.event_count + 1)
        return before if row == before else progress.save(row, expected=before, events=lines)

    row = again(once)
    if row is not None:
        for kind, at in watch.to_tell(row, now):
            warn(kind, job, at, _detail(row, kind, at))
    return row


def _detail(row: Progress, kind: str, at: datetime) -> str:
    """In the words of the moment it was warned of, so that a repetition says the same."""
    found = watch.cap_near(row, at) if kind == watch.CAP_NEAR else None
    return found.detail if found else ""


def _is_silent(row: Progress, now: datetime) -> bool:
    return row.last_event_at is None or (now - row.last_event_at).total_seconds() > _SILENT_SECONDS


def _reckoned(money: Money, rate: Decimal, now: datetime) -> Money:
    """Seconds until now were paid at the old price. A rise counts from a look before: it may have come right after it."""
    if money.rate_usd_per_hour == rate:
        return money
    since = now
    if rate > money.rate_usd_per_hour:
        since = min(now, max(money.billed_since, now - timedelta(seconds=LOOK_SECONDS)))
    scaled = (
        money.reserve_usd
        if money.rate_usd_per_hour == 0
        else money.reserve_usd * rate / money.rate_usd_per_hour
    )
    return replace(
        money,
        spent_before_usd=money.spent_usd(since),
        billed_since=since,
        rate_usd_per_hour=rate,
        reserve_usd=scaled,
    )
