"""Hundreds of jobs under random faults. Whatever happens, money and data keep their promises (faults/invariants.py).

Every run is repeatable from its seed. Thousands more: `benchmarks/fault_matrix.py`.
"""

from __future__ import annotations

from collections import Counter

import pytest
from chalicelib.domain.job import JobStatus

from tests.lifecycle.faults.effects import Kind
from tests.lifecycle.faults.matrix import walked
from tests.lifecycle.faults.walks import walk

SEEDS = 320
_SEEDS_PER_TEST = 20


@pytest.mark.parametrize("first", range(0, SEEDS, _SEEDS_PER_TEST))
def test_every_promise_holds_under_random_faults(first: int) -> None:
    runs = [walked(seed) for seed in range(first, first + _SEEDS_PER_TEST)]
    assert {run.name: run.violations for run in runs if run.violations} == {}


def test_the_walks_reach_every_kind_of_end_and_every_kind_of_fault() -> None:
    """A walk that never fails, cancels, pauses, recovers or requeues would prove nothing."""
    plays = [walk(seed) for seed in range(60)]
    jobs = [play.job(job_id) for play in plays for job_id in play.job_ids]
    ends = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PAUSED}
    assert {job.status for job in jobs} == ends
    assert any(job.recoveries for job in jobs)
    assert any(job.run > 1 for job in jobs)
    assert any(job.capacity_misses for job in jobs)
    assert any(len(play.world.attempts.of_job(job_id)) > 2 for play in plays for job_id in play.job_ids)
    kinds = Counter(name.rpartition(":")[2] for play in plays for name in play.injector.injected)
    assert set(kinds) == {kind.value for kind in Kind}


def test_a_seed_is_the_same_walk_each_time() -> None:
    first, second = walk(7), walk(7)
    assert first.injector.injected == second.injector.injected
    assert first.world.jobs.rows == second.world.jobs.rows
