"""What a block of points completes: every sixteenth block makes a roll-up, every sixteenth of those one of the next
level. Saved in the block's own transaction, so that there is never a block without the roll-ups that end with it."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.rollups import Piece, RollUp, levels_due, roll_up, settled, width
from chalicelib.ports import ProgressStore
from chalicelib.use_cases.read_curve import read_children, read_range


def roll_up_points(block: PointBlock, *, progress: ProgressStore) -> list[RollUp]:
    """Lowest level first; none but for one block in sixteen. The blocks before this one are read from the store."""
    levels = levels_due(block.revision)
    if not levels:
        return []
    new: dict[int, Piece] = {0: block}

    def stored_and_new(level: int) -> list[Piece]:
        """The sixteen pieces below a roll-up of this level that ends with this block."""
        after, up_to = block.revision - width(level), block.revision - width(level - 1)
        stored = read_range(block.job_id, level - 1, after, up_to, progress=progress)
        return [*stored, new[level - 1]]

    def children(piece: RollUp) -> Sequence[Piece]:
        if piece.revision == block.revision:
            return stored_and_new(piece.level)
        return read_children(piece, progress=progress)

    for level in levels:
        new[level] = roll_up(level, settled(stored_and_new(level), children))
    return [piece for piece in new.values() if isinstance(piece, RollUp)]
