"""Roll-ups: sixteen blocks of points, or sixteen roll-ups of the level below, in one row that keeps their extremes.

A roll-up covers an unbroken range of revisions whose blocks never change, so it never changes either and is the same
whoever makes it. A step may come again in a later revision (a resumed job repeats some, a point comes late). Where two
pieces share steps of a curve, what a roll-up left out may be what counts; it is then read one level deeper instead
(`unclear`), down to the blocks themselves, so that a thinned curve is exact whatever arrived in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from chalicelib.domain.metrics import COLUMNS, CURVES, EXTRA, PointBlock, Row, merge, rounded, thin

WIDTH = 16
# Rows kept by level 1, 2 …: what a chart shows of so many points, in an item far below the 400 KB that one may have.
_KEPT = (64, 384, 1536, 4096)
LEVELS = tuple(range(1, len(_KEPT) + 1))
# So many newest revisions at least are read as they came: the end of a running curve is looked at most.
_WHOLE_REVISIONS = WIDTH
_MOST_SPANS = 8

Spans: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RollUp:
    """Revisions up to `revision`, WIDTH ** level of them. points: steps in them. spans: curve -> stretches of steps
    that hold all of its points. columns: the kept rows, by name."""

    job_id: str
    level: int
    revision: int
    points: int
    spans: Mapping[str, Spans]
    columns: Mapping[str, tuple[Any, ...]]

    @property
    def after_revision(self) -> int:
        return self.revision - width(self.level)

    @property
    def rows(self) -> list[Row]:
        return [
            {name: values[at] for name, values in self.columns.items() if values[at] is not None}
            for at in range(len(self.columns["step"]))
        ]


def width(level: int) -> int:
    """Revisions in one piece; level 0 is a block."""
    return int(WIDTH**level)


Piece: TypeAlias = RollUp | PointBlock


@dataclass(frozen=True, slots=True)
class Curve:
    """rows: in step order, thinned where roll-ups were read. points: steps of the whole curve."""

    rows: list[Row]
    points: int


def levels_due(revision: int) -> list[int]:
    """Of which levels a range ends with this revision, lowest first."""
    return [level for level in LEVELS if revision % width(level) == 0]


def top_level(revision: int, max_points: int) -> int:
    """The highest level whose rows still fill half of max_points; 0: read the blocks."""
    fits = [level for level in LEVELS if revision // width(level) * _KEPT[level - 1] * 2 >= max_points]
    return max(fits, default=0)


def ranges(revision: int, top: int) -> list[tuple[int, int, int]]:
    """[(level, after revision, up to revision)] that cover 1 … revision, oldest first; level 0 are the blocks."""
    whole = max(0, revision - revision % WIDTH - _WHOLE_REVISIONS)
    found, after = [], 0
    for level in range(top, 0, -1):
        end = whole - whole % width(level)
        if end > after:
            found.append((level, after, end))
            after = end
    return [*found, (0, after, revision)]


def settled(pieces: Sequence[Piece], children: Callable[[RollUp], Sequence[Piece]]) -> list[Piece]:
    """The pieces in their order, roll-ups that share steps with another piece replaced by what they were made of."""
    known = list(pieces)
    while shared := unclear(known):
        known = [
            part
            for at, piece in enumerate(known)
            for part in (children(piece) if at in shared and isinstance(piece, RollUp) else (piece,))
        ]
    return known


def unclear(pieces: Sequence[Piece]) -> set[int]:
    """Positions of roll-ups that share a step of the same curve with another piece."""
    spans = [_spans(piece) for piece in pieces]
    found: set[int] = set()
    for curve in CURVES:
        stretches = sorted((*span, at) for at, each in enumerate(spans) for span in each.get(curve, ()))
        cluster: set[int] = set()
        end = -1
        for low, high, at in stretches:
            if low > end:
                cluster = set()
            cluster.add(at)
            end = max(end, high)
            if len(cluster) > 1:
                found |= cluster
    return {at for at in found if isinstance(pieces[at], RollUp)}


def curve_of(pieces: Sequence[Piece]) -> Curve:
    """pieces: settled, in order of their revisions."""
    rows = merge(row for piece in pieces for row in piece.rows)
    left_out = sum(piece.points - len(piece.columns["step"]) for piece in pieces if isinstance(piece, RollUp))
    return Curve(rows, len(rows) + left_out)


def roll_up(level: int, pieces: Sequence[Piece]) -> RollUp:
    """pieces: settled; the last one ends the range."""
    curve = curve_of(pieces)
    kept = thin(curve.rows, _KEPT[level - 1])
    spans = {
        name: _covered(span for piece in pieces for span in _spans(piece).get(name, ())) for name in CURVES
    }
    columns = {
        name: tuple(rounded(name, row.get(name)) for row in kept) for name in ("step", *COLUMNS, *EXTRA)
    }
    return RollUp(pieces[-1].job_id, level, pieces[-1].revision, curve.points, spans, columns)


def _spans(piece: Piece) -> Mapping[str, Spans]:
    if isinstance(piece, RollUp):
        return piece.spans
    return {
        name: _covered((int(row["step"]),) * 2 for row in piece.rows if row.get(name) is not None)
        for name in CURVES
    }


def _covered(spans: Iterable[tuple[int, int]]) -> Spans:
    """Few stretches that hold all of these and as little else as can be: the widest gaps stay."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    starts = range(1, len(joined))
    widest = sorted(starts, key=lambda at: joined[at][0] - joined[at - 1][1])[-(_MOST_SPANS - 1) :]
    cuts = [0, *sorted(widest), len(joined)]
    return tuple((joined[first][0], joined[last - 1][1]) for first, last in pairwise(cuts) if first < last)
