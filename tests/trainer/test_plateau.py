"""A loss that no longer falls is warned of once, and a falling or nearly finished run is left alone."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.progress import Progress

from trainer import watch


def warnings(losses: list[float], total_steps: int, steps_per_epoch: int = 20) -> list[tuple[int, str]]:
    """(step, warning) of a run with these losses."""
    progress = Progress(total_steps=total_steps, steps_per_epoch=steps_per_epoch, best_validation_loss=1.25)
    found = []
    for loss in losses:
        progress.step += 1
        progress.losses.append(loss)
        if told := watch.plateau(progress):
            found.append((progress.step, told))
        # A resumed process goes on with what the checkpoint holds.
        progress = Progress.from_json(progress.to_json())
    return found


def falling(count: int, floor: float, seed: int = 0) -> list[float]:
    draw = random.Random(seed)
    return [floor + 3 * math.exp(-step / 60) + draw.gauss(0, 0.02) for step in range(count)]


def test_a_flat_loss_is_warned_of_once_with_its_numbers() -> None:
    found = warnings(falling(600, 1.0), total_steps=1000)
    assert len(found) == 1
    step, told = found[0]
    assert 200 < step < 500
    assert "over the last 50 steps" in told
    assert "1.2500" in told
    assert f"save up to {1000 - step} steps" in told


def test_a_second_plateau_after_a_fall_is_warned_of_again() -> None:
    first = falling(500, 2.0)
    second = [1.0 + (loss - 2.0) / 3 for loss in first]
    assert len(warnings([*first, *second], total_steps=2000)) == 2


@given(slope=st.floats(0.0005, 0.01), seed=st.integers(0, 1000))
def test_a_loss_that_keeps_falling_is_not_warned_of(slope: float, seed: int) -> None:
    draw = random.Random(seed)
    losses = [8 * math.exp(-slope * step) + draw.gauss(0, 0.001) for step in range(240)]
    assert warnings(losses, total_steps=1000) == []


def test_a_run_that_is_nearly_over_is_left_alone() -> None:
    assert warnings([1.0] * 220, total_steps=230, steps_per_epoch=100) == []


def test_the_first_steps_say_nothing_yet() -> None:
    assert warnings([1.0] * 99, total_steps=1000) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_losses_that_are_no_numbers_are_another_warning(bad: float) -> None:
    assert warnings([1.0] * 99 + [bad], total_steps=1000) == []
