"""What is said about the queue as a whole."""

from __future__ import annotations

from datetime import timedelta

LONG_FROM = 11
ADVISORY_FROM = 5


def depth_word(waiting: int) -> str:
    """The bounds are those of the position badges' colours."""
    if waiting == 0:
        return "empty"
    if waiting <= 3:
        return "short"
    if waiting <= 7:
        return "moderate"
    return "long" if waiting < LONG_FROM else "very long"


def long_queue_warning(waiting: int) -> str | None:
    if waiting < LONG_FROM:
        return None
    return (
        f"Queue is unusually long ({waiting} jobs). Consider increasing concurrency limit or cancelling "
        "non-essential jobs."
    )


def full_notice(active: int, limit: int) -> str | None:
    """A new job is still accepted: it queues."""
    if active < limit:
        return None
    return f"Queue full ({active}/{limit} active jobs). Wait for completion or cancel an active job."


def advisory(active: int, limit: int, waiting: int, wait: timedelta) -> tuple[str, str] | None:
    """(level, sentence) for someone about to start a job: info from five waiting, warning above ten."""
    if waiting >= LONG_FROM:
        return (
            "warning",
            f"Long Queue: {waiting} jobs ahead. Estimated wait: {_long(wait)}. Recommendation: Wait for queue to "
            "clear or increase team concurrency limit.",
        )
    if active < limit or waiting < ADVISORY_FROM:
        return None
    return (
        "info",
        f"Queue Advisory: {_count(active, 'active job')} running, {_count(waiting, 'job')} in queue. "
        f"Your job will be queued. Estimated start: {about(wait)} from now.",
    )


def about(wait: timedelta) -> str:
    """`45 minutes`, `1 hour`, `8 hours`: never less than a minute, whole hours from two on."""
    minutes = max(1, round(wait.total_seconds() / 60))
    if minutes < 60:
        return _count(minutes, "minute")
    if minutes < 120:
        return "1 hour" if minutes == 60 else f"1 hour {_count(minutes - 60, 'minute')}"
    return _count(round(minutes / 60), "hour")


def delay_sentence(jobs: int, delay: timedelta) -> str:
    """`Will delay 4 other queued jobs by ~30 minutes each`"""
    if jobs == 0:
        return "Will delay no other job"
    each = " each" if jobs > 1 else ""
    return f"Will delay {_count(jobs, 'other queued job')} by ~{about(delay)}{each}"


def _long(wait: timedelta) -> str:
    return "24+ hours" if wait > timedelta(hours=24) else about(wait)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
