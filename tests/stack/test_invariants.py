"""The invariants see what they are there to see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stack.invariants import SWEEP_SECONDS, Checked, End, check_books, overlap_seconds
from tests.stack.simulated_script import Script, chain, following

BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)


def _pod(name: str, begins: float = 0.0, seconds: float = 3600.0, cost: float = 2.0) -> dict[str, Any]:
    created = (BEGAN + timedelta(seconds=begins)).isoformat()
    return {"id": name, "created_at": created, "billed_seconds": seconds, "cost_usd": cost}


def _job(*pods: dict[str, Any], spent: str | None = None) -> dict[str, Any]:
    attempts = [
        {"pod_id": pod["id"], "cost_usd": str(pod["cost_usd"]), "hourly_rate_usd": "2.00"} for pod in pods
    ]
    total = spent or str(sum(pod["cost_usd"] for pod in pods))
    return {"attempts": attempts, "cost": {"spent_usd": total}}


def _violations(job: dict[str, Any], pods: list[dict[str, Any]], stray: int = 0) -> list[str]:
    checked = Checked()
    check_books(checked, job, pods, End(stray=stray))
    return [violation.partition(":")[0] for violation in checked.violations]


def test_books_that_agree_are_in_order() -> None:
    one, two = _pod("a"), _pod("b", begins=3600)
    assert _violations(_job(one, two), [one, two]) == []


def test_a_pod_that_no_attempt_names_is_unexplained_unless_it_may_be_a_stray() -> None:
    one, two = _pod("a"), _pod("b", begins=3600)
    assert _violations(_job(one), [one, two]) == ["no unexplained pod-second"]
    assert _violations(_job(one), [one, two], stray=1) == []


@pytest.mark.parametrize("spent", ["1.90", "2.10"])
def test_a_sum_that_is_off_by_more_than_a_minute_is_seen_in_both_directions(spent: str) -> None:
    pod = _pod("a")
    assert _violations(_job(pod, spent=spent), [pod]) == ["sum of the job within one poll per pod"]


def test_two_pods_billed_at_once_are_seen_beyond_the_sweepers_grace() -> None:
    one, late = _pod("a"), _pod("b", begins=3600 - SWEEP_SECONDS + 1)
    assert _violations(_job(one, late), [one, late]) == []
    early = _pod("b", begins=3600 - SWEEP_SECONDS - 1)
    assert _violations(_job(one, early), [one, early]) == [
        "one billed pod at a time beyond the sweeper's grace"
    ]


def test_overlaps_add_up() -> None:
    pods = [_pod("a", 0, 100), _pod("b", 90, 100), _pod("c", 180, 100), _pod("d", 500, 1)]
    assert overlap_seconds(pods) == pytest.approx(20)


def test_a_chain_tells_a_step_that_was_left_out_or_taken_twice() -> None:
    assert following(chain(1, 4), 5) == chain(1, 5)
    assert len({chain(1, 5), following(chain(1, 3), 5), following(chain(1, 5), 5), chain(2, 5)}) == 4


def test_the_words_of_a_name_are_the_script() -> None:
    assert Script.of("Simulated: x 1 [steps=7 step=0.5 linger=training]") == Script(
        steps=7, step=0.5, linger="training"
    )
    assert Script.of("Simulated") == Script()
