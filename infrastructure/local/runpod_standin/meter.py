"""What billed spans cost, in total and by bucket of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from runpod_standin.ledger import Span

_SECONDS_PER_HOUR = Decimal(3600)
_MICROSECOND = timedelta(microseconds=1)
BUCKETS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


def _seconds(length: timedelta) -> Decimal:
    return Decimal(max(0, length // _MICROSECOND)) / 1_000_000


def billed_seconds(spans: Iterable[Span], now: datetime) -> Decimal:
    """Seconds billed up to `now`."""
    return sum((_seconds((span.to_at or now) - span.from_at) for span in spans), Decimal(0))


def cost_usd(spans: Iterable[Span], now: datetime) -> Decimal:
    """Dollars billed up to `now`: span length times rate, unrounded."""
    return sum(
        (
            _seconds((span.to_at or now) - span.from_at) * span.usd_per_hour / _SECONDS_PER_HOUR
            for span in spans
        ),
        Decimal(0),
    )


def bucket_start(at: datetime, bucket: str) -> datetime:
    """Start of the hour, day, ISO week, month or year that `at` lies in."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = {
        "hour": at.astimezone(UTC).replace(minute=0, second=0, microsecond=0),
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }
    return starts[bucket]


def bucket_end(start: datetime, bucket: str) -> datetime:
    """Where the bucket that begins at `start` ends, exclusive."""
    if bucket in BUCKETS:
        return start + BUCKETS[bucket]
    # 32 and 366 days always land in the next month or year; its start is what we want.
    return bucket_start(start + timedelta(days=32 if bucket == "month" else 366), bucket)


def by_bucket(spans: Iterable[Span], bucket: str, now: datetime) -> dict[tuple[str, datetime], Decimal]:
    """Dollars per (pod, bucket start)."""
    totals: dict[tuple[str, datetime], Decimal] = {}
    for span in spans:
        for start, piece in _pieces(span, bucket, now):
            key = (span.pod_id, start)
            totals[key] = totals.get(key, Decimal(0)) + cost_usd([piece], now)
    return totals


def _pieces(span: Span, bucket: str, now: datetime) -> Iterator[tuple[datetime, Span]]:
    """The span cut at bucket borders."""
    end = span.to_at or now
    at = span.from_at
    while at < end:
        start = bucket_start(at, bucket)
        until = min(end, bucket_end(start, bucket))
        yield start, Span(span.pod_id, at, until, span.usd_per_hour)
        at = until
