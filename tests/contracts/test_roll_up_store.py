"""Roll-ups of points in the store: beside their blocks, by level, gone with the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.progress import Progress
from chalicelib.domain.rollups import RollUp

Store = Callable[[str], Any]


def test_roll_ups_lie_beside_their_blocks_and_are_read_by_level(store: Store) -> None:
    rows = store("progress")
    job_id = "job_0000000000000001"
    columns = {"step": (1, 9), "training_loss": (2.5, 0.123456789012345), "validation_loss": (None, 1.5)}
    spans = {"training_loss": ((1, 4), (9, 9)), "validation_loss": ((9, 9),)}
    made = [
        RollUp(job_id, 1, 16, 5, spans, columns),
        RollUp(job_id, 1, 32, 5, spans, columns),
        RollUp(job_id, 2, 256, 5, spans, columns),
    ]
    block = PointBlock(job_id, 256, ({"step": 1, "training_loss": 2.5},))
    saved = rows.save(Progress(job_id), expected=None, block=block, rollups=made)
    assert list(rows.blocks(job_id)) == list(rows.blocks(job_id, 255, 256)) == [block]
    assert list(rows.blocks(job_id, 256, 256)) == list(rows.blocks(job_id, 0, 255)) == []
    assert list(rows.rollups(job_id, 1, 0, 256)) == made[:2]
    assert list(rows.rollups(job_id, 1, 16, 32)) == made[1:2]
    assert list(rows.rollups(job_id, 2, 0, 255)) == []
    assert list(rows.rollups(job_id, 2, 0, 256)) == made[2:]
    with pytest.raises(StaleWrite):
        rows.save(saved, expected=None, rollups=[RollUp(job_id, 1, 48, 1, spans, columns)], block=block)
    assert list(rows.rollups(job_id, 1, 32, 48)) == []
    rows.delete(job_id)
    assert list(rows.rollups(job_id, 1, 0, 256)) == list(rows.rollups(job_id, 2, 0, 256)) == []
