"""The invariants are proven by defects that are planted into the real code: each one must be seen."""

from __future__ import annotations

import contextlib

import pytest
from chalicelib.domain import queue
from chalicelib.use_cases import settle_job

from tests.lifecycle.faults.matrix import hunt, undisturbed
from tests.lifecycle.faults.planted import PLANTED, Planted, planting
from tests.lifecycle.faults.scenarios import BY_NAME


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_defect_is_seen(planted: Planted) -> None:
    assert hunt(planted) is not None, f"nothing saw: {planted.name}"


def test_there_are_defects_of_many_kinds_and_many_invariants_see_them() -> None:
    assert len({planted.name for planted in PLANTED}) == len(PLANTED) >= 10
    caught = [hunt(planted) for planted in PLANTED]
    assert len({catch.invariant for catch in caught if catch is not None}) >= 8


def test_what_was_planted_is_taken_out_again() -> None:
    broken = next(planted for planted in PLANTED if planted.name == "settlement forgets the slot")
    original = queue.release
    with contextlib.suppress(ZeroDivisionError), planting(broken):
        assert vars(settle_job)["release"] is not original
        assert 1 / 0
    assert vars(settle_job)["release"] is original
    assert undisturbed(BY_NAME["happy path"])[1] == []
