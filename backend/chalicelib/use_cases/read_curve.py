"""The curves of a job for a chart: a few dozen items, however long it trains. domain/rollups.py says how."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chalicelib.domain.metrics import Row, merge, thin
from chalicelib.domain.progress import Progress
from chalicelib.domain.rollups import (
    Curve,
    Piece,
    RollUp,
    curve_of,
    ranges,
    settled,
    top_level,
    width,
)
from chalicelib.ports import ProgressStore

# What the chart of a job's page gets at first; at least this many of the newest points are not thinned.
CHART_POINTS = 1500
_NEWEST_POINTS = 240
# A page that fell further behind than this gets the whole curve anew, which is less to read.
_MOST_NEW_BLOCKS = 64


def read_new_points(row: Progress, seen_revision: int, *, progress: ProgressStore) -> tuple[list[Row], bool]:
    """What a page does not have yet, and whether that is the whole curve, in place of all it has.

    A page with a thinned curve lacks the points that stand behind its extremes. When a step it may have is corrected,
    only the whole curve is right again.
    """
    thinned = row.points > CHART_POINTS or top_level(row.revision, CHART_POINTS) > 0
    corrected = row.corrected_revision > seen_revision
    if seen_revision and row.revision - seen_revision <= _MOST_NEW_BLOCKS and not (thinned and corrected):
        blocks = progress.blocks(row.job_id, seen_revision) if row.revision > seen_revision else ()
        return thin(merge(point for block in blocks for point in block.rows), CHART_POINTS), False
    curve = read_curve(row.job_id, row.revision, CHART_POINTS, progress=progress)
    return thin(curve.rows, CHART_POINTS, whole=_NEWEST_POINTS), True


def read_curve(job_id: str, revision: int, max_points: int, *, progress: ProgressStore) -> Curve:
    """Revisions 1 to `revision`. Rows: at least half of max_points where there are so many, exact in every extreme."""
    top = top_level(revision, max_points)
    pieces = [
        piece
        for level, after, up_to in ranges(revision, top)
        for piece in read_range(job_id, level, after, up_to, progress=progress)
    ]
    return curve_of(settled(pieces, partial(read_children, progress=progress)))


def read_range(
    job_id: str, level: int, after: int, up_to: int, *, progress: ProgressStore
) -> Sequence[Piece]:
    """The roll-ups of one level, or (level 0) the blocks. Jobs that began before there were roll-ups have gaps: what
    is missing is read one level deeper."""
    if level == 0:
        return progress.blocks(job_id, after, up_to)
    found = {each.revision: each for each in progress.rollups(job_id, level, after, up_to)}
    if not found:
        return read_range(job_id, level - 1, after, up_to, progress=progress)
    pieces: list[Piece] = []
    for end in range(after + width(level), up_to + 1, width(level)):
        if end in found:
            pieces.append(found[end])
        else:
            pieces.extend(read_range(job_id, level - 1, end - width(level), end, progress=progress))
    return pieces


def read_children(piece: RollUp, *, progress: ProgressStore) -> Sequence[Piece]:
    """What a roll-up was made of."""
    return read_range(piece.job_id, piece.level - 1, piece.after_revision, piece.revision, progress=progress)
