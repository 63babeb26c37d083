"""What can be asked of the jobs list: one frozen question, made from the query of a URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.gpu import Tier
from chalicelib.domain.job import FINAL, JobStatus

TABS = ("all", "active", "completed", "failed", "cancelled", "draft")
# Bucket -> from (included) and to (excluded), in USD. The last but one ends at $200 included, as it reads.
COST_BUCKETS: Mapping[str, tuple[Decimal, Decimal | None]] = {
    "lt_50": (Decimal(0), Decimal(50)),
    "50_100": (Decimal(50), Decimal(100)),
    "100_200": (Decimal(100), Decimal("200.000001")),
    "gt_200": (Decimal("200.000001"), None),
}
SORTS = ("created_at", "started_at", "ended_at", "duration", "cost", "status", "created_by", "name")
MAX_SEARCH_CHARACTERS = 200
MAX_VALUES = 50
MAX_PAGE = 1_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class JobSearch:
    """An empty tuple or None means "any". Several values of one filter mean "one of them".

    created_from is included, created_before is not. reaches_now: the range is open towards now, so jobs that
    are still active belong to it whenever they were made.
    """

    tab: str = "all"
    statuses: tuple[str, ...] = ()
    presets: tuple[str, ...] = ()
    created_by: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    gpu_tiers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None
    reaches_now: bool = True
    search: str = ""
    sort_by: str = "created_at"
    descending: bool = True
    page: int = 1
    limit: int = 25

    @property
    def words(self) -> tuple[str, ...]:
        """What is searched for, word by word; a word without a letter or digit is left out."""
        return tuple(word for word in self.search.split() if any(c.isalnum() for c in word))


def tab_of(status: str) -> str:
    """The one tab, besides `all`, that a status belongs to."""
    if status == JobStatus.PENDING_CONFIGURATION:
        return "draft"
    return status if status in FINAL else "active"


def bucket_of(cost_usd: Decimal) -> str:
    return next(name for name, (_, below) in COST_BUCKETS.items() if below is None or cost_usd < below)


def parse(values: Mapping[str, object], *, now: datetime, user_id: str) -> JobSearch:
    """values: the query of GET /api/jobs; several values of one filter stand between commas.

    `created_by=me` is the caller. ValidationFailed maps each parameter that makes no sense to its messages.
    """
    reader = _Reader({key: str(value) for key, value in values.items() if value is not None})
    people = tuple(user_id if each == "me" else each for each in reader.several("created_by"))
    start = reader.date("date_from", end_of_day=False)
    end = reader.date("date_to", end_of_day=True)
    if start is not None and end is not None and start >= end:
        reader.complain("date_to", "Must not be before date_from.")
    search = JobSearch(
        tab=reader.one_of("tab", TABS, "all"),
        statuses=reader.several("status", tuple(JobStatus)),
        presets=reader.several("preset"),
        created_by=people,
        costs=reader.several("cost", tuple(COST_BUCKETS)),
        gpu_tiers=reader.several("gpu_tier", tuple(tier.value for tier in Tier)),
        tags=reader.several("tag"),
        created_from=start,
        created_before=end,
        reaches_now=end is None or end > now,
        search=reader.text("search"),
        sort_by=reader.one_of("sort_by", SORTS, "created_at"),
        descending=reader.one_of("sort_dir", ("asc", "desc"), "desc") == "desc",
        page=reader.number("page", 1, MAX_PAGE, 1),
        limit=reader.number("limit", 1, 100, 25),
    )
    if reader.problems:
        raise ValidationFailed(reader.problems)
    return search


class _Reader:
    """Reads one parameter after the other and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: dict[str, list[str]] = {}

    def complain(self, name: str, message: str) -> None:
        self.problems.setdefault(name, []).append(message)

    def text(self, name: str) -> str:
        """Trimmed, without what no store and no search can hold: control characters and lone surrogates."""
        raw = self._values.get(name, "").encode("utf-8", "ignore").decode("utf-8")
        value = " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in raw).split())
        if len(value) > MAX_SEARCH_CHARACTERS:
            self.complain(name, f"Must be at most {MAX_SEARCH_CHARACTERS} characters.")
        return value

    def one_of(self, name: str, known: tuple[str, ...], default: str) -> str:
        value = self._values.get(name) or default
        if value not in known:
            self.complain(name, f"Must be one of: {', '.join(known)}.")
        return value

    def several(self, name: str, known: tuple[str, ...] | None = None) -> tuple[str, ...]:
        raw = self._values.get(name, "").encode("utf-8", "ignore").decode("utf-8")
        values = tuple(dict.fromkeys(part.strip() for part in raw.split(",") if part.strip()))
        if len(values) > MAX_VALUES:
            self.complain(name, f"Must name at most {MAX_VALUES} values.")
        if known is not None and not set(values) <= set(known):
            self.complain(name, f"Must be among: {', '.join(known)}.")
        return values

    def number(self, name: str, least: int, most: int, default: int) -> int:
        raw = self._values.get(name) or str(default)
        value = int(raw) if re.fullmatch(r"[0-9]{1,9}", raw) else least - 1
        if not least <= value <= most:
            self.complain(name, f"Must be a whole number between {least} and {most}.")
        return value

    def date(self, name: str, *, end_of_day: bool) -> datetime | None:
        """A day (UTC; both ends of a range are included) or an instant of ISO-8601 with its offset."""
        raw = self._values.get(name, "")
        if not raw:
            return None
        return self._guarded(name, lambda: _instant(raw, end_of_day))

    def _guarded(self, name: str, read: Callable[[], datetime]) -> datetime | None:
        try:
            return read()
        except (ValueError, OverflowError):
            self.complain(name, "Must be a date such as 2026-11-22 or a time such as 2026-11-22T10:00:00Z.")
            return None


def _instant(raw: str, end_of_day: bool) -> datetime:
    if _DATE.fullmatch(raw):
        day = datetime.fromisoformat(raw).replace(tzinfo=UTC)
        return day + timedelta(days=1) if end_of_day else day
    # A `+` in a query string arrives as a space.
    at = datetime.fromisoformat(raw.replace(" ", "+"))
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset")
    at = at.astimezone(UTC)
    return at + timedelta(microseconds=1) if end_of_day else at
