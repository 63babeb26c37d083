"""What a person is warned of while a job runs, once each: the cap is nearly spent, or the GPU has little to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.domain.progress import Intent, Progress, Reached, stronger

CAP_NEAR = "spend_cap_near"
LOW_GPU = "low_gpu"
CAP_NEAR_SHARE = Decimal("0.9")
LOW_GPU_PERCENT = 20
# A warning that was stored and not told, because the teller died, is told again so long.
TELL_AGAIN_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Warned:
    """kind: also that of the notification. detail: the words of it that only this case knows."""

    kind: str
    message: str
    detail: str
    data: Mapping[str, Any] = field(default_factory=dict)


def due(row: Progress, timings: Mapping[str, float], now: datetime) -> list[Warned]:
    """Warnings that hold and were not given yet."""
    found = [cap_near(row, now), low_gpu(row, timings, now)]
    return [each for each in found if each is not None and each.kind not in row.warned]


def given(row: Progress, warned: Warned, now: datetime) -> Progress:
    return replace(row, warned={**row.warned, warned.kind: now})


def for_cap(row: Progress, cap_usd: Decimal | None) -> Progress:
    """A cap that was raised at a resume is warned of anew."""
    if row.money is None or row.money.cap_usd == cap_usd or CAP_NEAR not in row.warned:
        return row
    return replace(row, warned={kind: at for kind, at in row.warned.items() if kind != CAP_NEAR})


def to_tell(row: Progress, now: datetime) -> list[tuple[str, datetime]]:
    """(kind, since when) of warnings that may not have been told. Telling twice tells once: the time is part of it."""
    return [(kind, at) for kind, at in sorted(row.warned.items()) if now - at < TELL_AGAIN_FOR]


def cap_near(row: Progress, now: datetime) -> Warned | None:
    money = row.money
    if money is None or money.cap_usd is None:
        return None
    spent = money.spent_usd(now)
    if spent < money.cap_usd * CAP_NEAR_SHARE:
        return None
    detail = f"${spent:.2f} of ${money.cap_usd:.2f} is spent"
    message = (
        f"The spend cap is nearly reached: {detail}. Training is saved, evaluated and exported before it; "
        "at the cap itself the GPU is released."
    )
    return Warned(CAP_NEAR, message, detail, {"spent_usd": str(spent), "cap_usd": str(money.cap_usd)})


def note_utilization(row: Progress, percents: Iterable[float | None], now: datetime) -> Progress:
    """Since when the GPU has had little to do. A pod that does not measure it says nothing, and is never warned of."""
    since = row.gpu_low_since
    for percent in percents:
        if percent is not None:
            since = None if percent >= LOW_GPU_PERCENT else since or now
    return row if since == row.gpu_low_since else replace(row, gpu_low_since=since)


def is_low(row: Progress, timings: Mapping[str, float], now: datetime) -> bool:
    limit = timings.get("low_gpu_seconds")
    if limit is None or row.gpu_low_since is None or row.reached >= Reached.TRAINING:
        return False
    return (now - row.gpu_low_since).total_seconds() >= limit


def low_gpu(row: Progress, timings: Mapping[str, float], now: datetime) -> Warned | None:
    if not is_low(row, timings, now):
        return None
    minutes = timings["low_gpu_seconds"] / 60
    detail = f"below {LOW_GPU_PERCENT}% for {minutes:g} minutes"
    message = (
        f"GPU utilization has been {detail}, so most of what is paid for is idle. Look at the batch size and the maximum "
        "sequence length (larger ones give the GPU more work), at the number of GPUs, and at a smaller GPU type."
    )
    return Warned(LOW_GPU, message, detail, {"gpu_utilization": row.latest.get("gpu_utilization")})


def finish_for_low_gpu(row: Progress) -> Progress:
    """Save, evaluate, export and stop, as at the spend cap; a stronger wish stays."""
    if row.intent is not None:
        return row
    return replace(row, intent=stronger(row.intent, Intent.FINISH), finish_reason=LOW_GPU)


def near_cap(row: Progress, now: datetime, seconds: float) -> bool:
    """Whether the cap would be reached within so many seconds at the present price, and is not yet."""
    money = row.money
    if money is None or money.cap_usd is None or row.intent is Intent.HARD_CAP:
        return False
    return money.spent_usd(now + timedelta(seconds=seconds)) >= money.cap_usd
