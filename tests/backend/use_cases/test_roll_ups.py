"""Curves read through roll-ups against the same curves put together from every point that ever arrived."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from chalicelib.domain.metrics import PointBlock, Row, merge, rounded
from chalicelib.domain.progress import Progress
from chalicelib.domain.rollups import RollUp, unclear
from chalicelib.use_cases.read_curve import CHART_POINTS, read_curve, read_new_points
from chalicelib.use_cases.roll_up_points import roll_up_points

from tests.fakes import FakeProgress

JOB_ID = "job_0000000000000001"


class CountingProgress(FakeProgress):
    """Counts the rows of the metrics table that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def blocks(self, *arguments: Any, **named: Any) -> Sequence[PointBlock]:
        found = super().blocks(*arguments, **named)
        self.read += len(found)
        return found

    def rollups(self, *arguments: Any, **named: Any) -> Sequence[RollUp]:
        found = super().rollups(*arguments, **named)
        self.read += len(found)
        return found


def written(batches: Iterable[Sequence[Row]], *, roll: bool = True) -> CountingProgress:
    """A store that took the batches one after the other, as `record_events` writes them."""
    store = CountingProgress()
    row: Progress | None = None
    for revision, batch in enumerate(batches, start=1):
        block = PointBlock(JOB_ID, revision, tuple(batch))
        rollups = roll_up_points(block, progress=store) if roll else []
        row = store.save(Progress(JOB_ID, revision=revision), expected=row, block=block, rollups=rollups)
    store.read = 0
    return store


def everything(store: FakeProgress) -> list[Row]:
    return merge(row for block in store.points[JOB_ID].values() for row in block.rows)


def point(step: int, loss: float) -> Row:
    return {"step": step, "training_loss": loss, "learning_rate": loss / 7, "at": f"at {step}", "epoch": None}


def story(chance: random.Random, batches: int) -> list[list[Row]]:
    """Steps in order; now and then a validation, a spike, a run that starts over a little earlier (after which each
    loss is another one), a point that comes very late, a batch that comes twice."""
    told: list[list[Row]] = []
    step = 0
    for _ in range(batches):
        batch: list[Row] = []
        for _ in range(chance.randint(1, 6)):
            step += 1
            spike = chance.random() < 0.004
            batch.append(point(step, chance.uniform(50, 99) if spike else chance.uniform(1, 2)))
            if step % 40 == 0:
                batch.append({"step": step, "validation_loss": chance.uniform(1, 3), "perplexity": 4.0})
        happening = chance.random()
        if happening < 0.02:
            step = max(0, step - chance.randint(1, 120))
        elif happening < 0.03:
            batch.append(point(chance.randint(1, step), chance.choice([0.1, 1.5, 120.0])))
        elif happening < 0.04:
            batch.append({"step": step // 40 * 40, "validation_loss": chance.uniform(0, 9)})
        told.append(batch)
        if chance.random() < 0.02:
            told.append(batch)
    return told


@pytest.mark.parametrize("seed", range(12))
def test_a_thinned_curve_has_the_extremes_of_the_whole_whatever_came_late_twice_or_corrected(
    seed: int,
) -> None:
    chance = random.Random(seed)
    store = written(story(chance, chance.choice([30, 400, 700])))
    known = everything(store)
    by_step = {row["step"]: row for row in known}
    curve = read_curve(JOB_ID, len(store.points[JOB_ID]), 200, progress=store)
    assert (curve.rows[0]["step"], curve.rows[-1]["step"]) == (known[0]["step"], known[-1]["step"])
    for row in curve.rows:
        whole = by_step[row["step"]]
        assert {name: rounded(name, whole[name]) for name in row} == {
            name: rounded(name, row[name]) for name in row
        }
    spikes = {row["step"] for row in known if row.get("training_loss", 0) > 40}
    assert spikes <= {row["step"] for row in curve.rows}
    for name in ("training_loss", "validation_loss"):
        values = [row[name] for row in known if row.get(name) is not None]
        kept = [row[name] for row in curve.rows if row.get(name) is not None]
        assert (min(kept), max(kept)) == (min(values), max(values))


@pytest.mark.parametrize("seed", range(2))
def test_every_point_has_one_nearby_that_is_kept_and_no_lower_and_one_that_is_no_higher(seed: int) -> None:
    chance = random.Random(seed)
    steps = iter(range(1, 9001))
    store = written([[point(next(steps), chance.random()) for _ in range(15)] for _ in range(600)])
    curve = read_curve(JOB_ID, 600, 1500, progress=store)
    assert curve.points == 9000
    assert 750 <= len(curve.rows) <= 1500
    kept = {row["step"]: row["training_loss"] for row in curve.rows}
    for row in everything(store):
        near = [kept[step] for step in range(row["step"] - 60, row["step"] + 61) if step in kept]
        assert min(near) <= row["training_loss"] <= max(near)


def test_a_long_curve_takes_a_few_dozen_items() -> None:
    steps = iter(range(1, 100_000))
    store = written([[point(next(steps), 1.0 + next(steps) % 7) for _ in range(2)] for _ in range(5000)])
    curve = read_curve(JOB_ID, 5000, CHART_POINTS, progress=store)
    assert curve.points == 10_000
    assert store.read <= 64


def test_a_job_that_began_before_there_were_roll_ups_reads_its_blocks() -> None:
    batches = story(random.Random(5), 500)
    old = written(batches, roll=False)
    assert read_curve(JOB_ID, len(batches), 100, progress=old).rows == everything(old)
    # From here on its blocks complete roll-ups; the missing ones below are made good from the blocks.
    revision = max(old.points[JOB_ID])
    row = old.rows[JOB_ID]
    for number in range(revision + 1, 769):
        block = PointBlock(JOB_ID, number, (point(10_000 + number, 1.5),))
        row = old.save(row, expected=row, block=block, rollups=roll_up_points(block, progress=old))
    assert (2, 768) in old.rolled[JOB_ID]
    known = everything(old)
    curve = read_curve(JOB_ID, 768, 100, progress=old)
    losses = [each["training_loss"] for each in known if "training_loss" in each]
    kept = [each["training_loss"] for each in curve.rows if "training_loss" in each]
    assert (min(kept), max(kept)) == (min(losses), max(losses))


def test_a_late_point_makes_only_the_stretch_it_lies_in_unclear() -> None:
    spans = [((1, 240),), ((241, 480),), ((481, 720), (5, 5))]
    pieces = [
        RollUp(JOB_ID, 1, 16 * number, 240, {"training_loss": each}, {"step": (1,)})
        for number, each in enumerate(spans, start=1)
    ]
    assert unclear(pieces) == {0, 2}
    assert unclear(pieces[:2]) == set()


def test_what_a_page_has_grows_until_a_step_it_may_have_is_corrected() -> None:
    steps = iter(range(1, 10_000))
    store = written([[point(next(steps), 1.0) for _ in range(15)] for _ in range(200)])
    row = Progress(JOB_ID, revision=200, points=3000, furthest_step=3000)
    rows, whole = read_new_points(row, 199, progress=store)
    assert ([each["step"] for each in rows], whole) == (list(range(2986, 3001)), False)
    assert read_new_points(row, 200, progress=store) == ([], False)
    first, is_whole = read_new_points(row, 0, progress=store)
    assert is_whole
    assert len(first) <= CHART_POINTS
    assert [each["step"] for each in first[-240:]] == list(range(2761, 3001))
    corrected = Progress(JOB_ID, revision=200, points=3000, furthest_step=3000, corrected_revision=200)
    assert read_new_points(corrected, 199, progress=store) == (first, True)
    assert read_new_points(corrected, 200, progress=store) == ([], False)
    far_behind, anew = read_new_points(row, 100, progress=store)
    assert anew
    assert far_behind == first
