"""What jobs went through, one after the other, and the same spells of several jobs laid side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.progress import LogEvent

_ENDS = frozenset({"completed", "failed", "cancelled"})
LABELS: Mapping[str, str] = {
    "queued": "In the queue",
    "starting": "GPU start-up",
    "preprocessing": "Preprocessing",
    "model_loading": "Model loading",
    "training": "Training",
    "finalization": "Finalization",
    "recovering": "Recovering",
    "pausing": "Pausing",
    "paused": "Paused",
    "cancelling": "Cancelling",
    "end": "End",
}


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a job was at one thing. seconds: None for the end; of a spell that still lasts: so far.

    occurrence: 1 for the first of its kind. offset_seconds: since the first spell of the job.
    """

    what: str
    occurrence: int
    started_at: datetime
    offset_seconds: int
    seconds: int | None
    lasting: bool
    message: str


@dataclass(frozen=True, slots=True)
class Cell:
    """difference_seconds: longer (or, of an end, later) than in the first job that has this spell."""

    spell: Spell
    difference_seconds: int | None


@dataclass(frozen=True, slots=True)
class Aligned:
    """One line: the same spell of every job, None where a job had none."""

    what: str
    occurrence: int
    label: str
    cells: tuple[Cell | None, ...]


def spells(events: Iterable[LogEvent], now: datetime) -> tuple[Spell, ...]:
    """From a job's whole log, in its order. Lines that begin nothing new belong to the spell before."""
    begun: list[tuple[str, LogEvent]] = []
    for event in events:
        what = _begins(event)
        if what is not None and (not begun or begun[-1][0] != what):
            begun.append((what, event))
    found: list[Spell] = []
    counts: dict[str, int] = {}
    for index, (what, event) in enumerate(begun):
        counts[what] = counts.get(what, 0) + 1
        lasting = index + 1 == len(begun) and what != "end"
        until = now if lasting else begun[index + 1][1].at if index + 1 < len(begun) else None
        found.append(
            Spell(
                what,
                counts[what],
                event.at,
                _seconds(begun[0][1].at, event.at),
                None if until is None else _seconds(event.at, until),
                lasting,
                event.message,
            )
        )
    return tuple(found)


def _begins(event: LogEvent) -> str | None:
    """The trainer's clock, ours and lines without data all tell the same story: data first, then the sentence."""
    if event.type == "status" and "pod_id" in event.data:
        return "starting"
    if event.type == "warning" and "recovery" in event.data:
        return "recovering"
    if event.type not in {"status", "error"}:
        return None
    entered = str(event.data.get("new_status") or _after_arrow(event.message))
    if entered in _ENDS:
        return "end"
    return entered if entered in LABELS else None


def _after_arrow(message: str) -> str:
    _, arrow, rest = message.partition(" → ")
    return rest.partition(":")[0].strip() if arrow else ""


def _seconds(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds()))


def align(sequences: Sequence[Sequence[Spell]]) -> tuple[Aligned, ...]:
    """Lines in an order that keeps to the first job's, with what only others had where it happened to them."""
    order: list[tuple[str, int]] = []
    for sequence in sequences:
        place = 0
        for spell in sequence:
            key = (spell.what, spell.occurrence)
            if key in order:
                place = max(place, order.index(key) + 1)
            else:
                order.insert(place, key)
                place += 1
    by_key = [{(spell.what, spell.occurrence): spell for spell in sequence} for sequence in sequences]
    return tuple(_line(key, [spells_of.get(key) for spells_of in by_key]) for key in order)


def _line(key: tuple[str, int], found: Sequence[Spell | None]) -> Aligned:
    what, occurrence = key
    label = LABELS[what] if occurrence == 1 else f"{LABELS[what]} ({occurrence})"
    first = next((each for each in found if each is not None), None)
    return Aligned(what, occurrence, label, tuple(_cell(each, first) for each in found))


def _cell(spell: Spell | None, first: Spell | None) -> Cell | None:
    if spell is None or first is None:
        return None
    if spell is first:
        return Cell(spell, None)
    length = spell.offset_seconds if spell.seconds is None else spell.seconds
    reference = first.offset_seconds if first.seconds is None else first.seconds
    return Cell(spell, length - reference)
