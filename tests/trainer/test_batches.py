"""The batch plan is a pure function that loses and repeats nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import batches

lengths = st.lists(st.integers(1, 900), min_size=1, max_size=120)


@given(
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 20),
    sizes=lengths,
    effective=st.integers(1, 40),
    alike=st.booleans(),
)
def test_an_epoch_holds_every_example_once_in_full_steps(
    seed: int, epoch: int, sizes: list[int], effective: int, alike: bool
) -> None:
    steps = batches.epoch_plan(seed, epoch, sizes, effective, alike)
    assert sorted(index for step in steps for index in step) == list(range(len(sizes)))
    assert len(steps) == batches.steps_per_epoch(len(sizes), effective)
    assert sorted(map(len, steps))[1:] == [effective] * (len(steps) - 1)


@pytest.mark.parametrize("alike", [False, True])
def test_the_plan_depends_on_seed_and_epoch_only(alike: bool) -> None:
    sizes = [17 * n % 101 + 1 for n in range(64)]
    assert batches.epoch_plan(3, 1, sizes, 8, alike) == batches.epoch_plan(3, 1, sizes, 8, alike)
    assert batches.epoch_plan(3, 1, sizes, 8, alike) != batches.epoch_plan(3, 2, sizes, 8, alike)
    assert batches.epoch_plan(3, 1, sizes, 8, alike) != batches.epoch_plan(4, 1, sizes, 8, alike)


def test_unsorted_steps_differ_less_in_tokens_than_steps_of_like_lengths() -> None:
    sizes = [(37 * n) % 400 + 10 for n in range(256)]

    def spread(alike: bool) -> float:
        tokens = [sum(sizes[index] for index in step) for step in batches.epoch_plan(0, 0, sizes, 8, alike)]
        return max(tokens) / min(tokens)

    assert spread(False) < 0.5 * spread(True)


def test_length_sorting_wastes_less_padding_than_the_shuffled_order() -> None:
    sizes = [(37 * n) % 400 + 10 for n in range(256)]

    def padded_tokens(steps: list[list[int]]) -> int:
        return sum(len(step) * max(sizes[index] for index in step) for step in steps)

    unsorted = [list(range(at, at + 8)) for at in range(0, 256, 8)]
    assert padded_tokens(batches.epoch_plan(0, 0, sizes, 8, True)) < 0.7 * padded_tokens(unsorted)
    assert padded_tokens(batches.epoch_plan(0, 0, sizes, 8, True)) < 1.15 * sum(sizes)


@given(sizes=lengths, capacity=st.integers(1, 1500))
def test_packed_rows_hold_every_example_once_within_the_capacity(sizes: list[int], capacity: int) -> None:
    rows = batches.split_packed(range(len(sizes)), sizes, capacity)
    assert sorted(index for row in rows for index in row) == list(range(len(sizes)))
    for row in rows:
        assert len(row) == 1 or sum(sizes[index] for index in row) <= capacity


def test_packing_fills_rows_almost_completely() -> None:
    sizes = [(53 * n) % 300 + 20 for n in range(500)]
    rows = batches.split_packed(range(500), sizes, 1024)
    assert sum(sizes) / (len(rows) * 1024) > 0.97


@given(step=st.lists(st.integers(0, 500), unique=True), size=st.integers(1, 64))
def test_micro_batches_keep_order_and_size(step: list[int], size: int) -> None:
    groups = batches.split_padded(step, size)
    assert [index for group in groups for index in group] == step
    assert all(len(group) <= size for group in groups)


@pytest.mark.parametrize(
    ("scheduler", "middle", "last"),
    [
        ("constant", 1.0, 1.0),
        ("linear", 0.5, 1 / 90),
        ("cosine", 0.5, 0.5 * (1 + math.cos(math.pi * 89 / 90))),
    ],
)
def test_the_learning_rate_warms_up_and_decays_as_named(scheduler: str, middle: float, last: float) -> None:
    def rate(step: int) -> float:
        return batches.learning_rate(step, 100, 2.0, 0.1, scheduler) / 2.0

    assert [rate(0), rate(4), rate(9), rate(10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert rate(55) == pytest.approx(middle)
    assert rate(99) == pytest.approx(last)
