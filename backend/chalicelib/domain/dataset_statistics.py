"""What the rows' `metadata` says: quality, scaffolding, human review. Accepted keys: docs/datasets.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.domain.dataset import HumanReview, Quality, Scaffolding, Share

SCORES = ("empathy", "clarity", "appropriateness")
HIGHEST_SCORE = 5
MAX_DISTINCT = 1000  # values counted apart per kind; later new ones fall under OTHER
MAX_LISTED = 20
MAX_VALUE_LENGTH = 80
OTHER = "Other"
KINDS: Mapping[str, tuple[str, ...]] = {
    "personas": ("persona", "personas"),
    "emotional_arcs": ("emotional_arc", "emotional_arcs"),
    "topics": ("topic", "topics"),
}


class Statistics:
    """Collects row by row in bounded memory."""

    def __init__(self) -> None:
        self._score_sums: dict[str, float] = dict.fromkeys(SCORES, 0.0)
        self._score_counts: dict[str, int] = dict.fromkeys(SCORES, 0)
        self._overall_sum = 0.0
        self._scored = 0
        self._values: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self._reviewed = 0
        self._review_sum = 0.0
        self._review_scored = 0

    def add(self, metadata: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Counts one conversation. Returns (field, message, hint) of what was left out."""
        ignored = list(self._add_scores(metadata))
        ignored += self._add_review(metadata)
        nested = metadata.get("scaffolding")
        for source in (metadata, nested if isinstance(nested, dict) else {}):
            self._add_values(source)
        return ignored

    def _add_scores(self, metadata: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        nested = metadata.get("quality_scores")
        prefix, source = (
            ("metadata.quality_scores.", nested) if isinstance(nested, dict) else ("metadata.", metadata)
        )
        found = {}
        for name in (*SCORES, "overall"):
            if source.get(name) is None:
                continue
            score = _score(source[name])
            if score is None:
                yield _no_score(prefix + name)
            else:
                found[name] = score
        if not found:
            return
        overall = found.pop("overall", None)
        for name, score in found.items():
            self._score_sums[name] += score
            self._score_counts[name] += 1
        self._overall_sum += sum(found.values()) / len(found) if overall is None else overall
        self._scored += 1

    def _add_review(self, metadata: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        review = metadata.get("human_review", metadata.get("human_reviewed"))
        if review is True or (isinstance(review, dict) and review.get("reviewed", True) is True):
            self._reviewed += 1
        if isinstance(review, dict) and review.get("score") is not None:
            score = _score(review["score"])
            if score is None:
                yield _no_score("metadata.human_review.score")
            else:
                self._review_sum += score
                self._review_scored += 1

    def _add_values(self, source: Mapping[str, Any]) -> None:
        for kind, keys in KINDS.items():
            counts = self._values[kind]
            for value in {text for key in keys for text in _texts(source.get(key))}:
                counts[value if value in counts or len(counts) < MAX_DISTINCT else OTHER] += 1

    def quality(self) -> Quality | None:
        """None when no conversation carries a score ("Not scored")."""
        if not self._scored:
            return None
        scores = {
            name: round(self._score_sums[name] / count, 2)
            for name, count in self._score_counts.items()
            if count
        }
        return Quality(round(self._overall_sum / self._scored, 2), scores, self._scored)

    def scaffolding(self, conversations: int) -> Scaffolding:
        return Scaffolding(**{kind: _shares(counts, conversations) for kind, counts in self._values.items()})

    def human_review(self, conversations: int) -> HumanReview:
        average = round(self._review_sum / self._review_scored, 2) if self._review_scored else None
        return HumanReview(self._reviewed, _share(self._reviewed, conversations), average)


def _score(value: Any) -> float | None:
    """A number from 0 to 5, else None. Comparing first keeps huge integers from overflowing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= HIGHEST_SCORE:
        return None
    return float(value)


def _no_score(field: str) -> tuple[str, str, str]:
    return (
        field,
        f"The score is no number from 0 to {HIGHEST_SCORE}; it was left out.",
        "Correct or remove it.",
    )


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, str) and (text := _clean(item)):
            yield text


def _clean(text: str) -> str:
    """One printable line that any store takes."""
    short = text.strip()[: MAX_VALUE_LENGTH + 1]
    if not short.isprintable():
        short = "".join(letter if letter.isprintable() else " " for letter in short).strip()
    return short if len(short) <= MAX_VALUE_LENGTH else short[:MAX_VALUE_LENGTH] + "…"


def _share(count: int, conversations: int) -> float:
    return round(count / conversations, 3) if conversations else 0.0


def _shares(counts: Counter[str], conversations: int) -> tuple[Share, ...]:
    """The most frequent values; ties by name. What does not fit is summed under OTHER."""
    other = counts.get(OTHER, 0)
    ranked = sorted(
        (item for item in counts.items() if item[0] != OTHER), key=lambda item: (-item[1], item[0])
    )
    if len(ranked) > MAX_LISTED:
        other += sum(count for _, count in ranked[MAX_LISTED:])
    listed = ranked[:MAX_LISTED] + ([(OTHER, other)] if other else [])
    return tuple(Share(value, count, _share(count, conversations)) for value, count in listed)
