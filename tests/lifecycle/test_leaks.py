"""Leaked dollars: what the provider bills beyond the attempts' own lives is in the books, and both add up to its bill."""

from __future__ import annotations

from decimal import Decimal

import pytest
from chalicelib.domain.cost import LEAKED, TRAINING_COMPUTE, CostRecord
from chalicelib.domain.gpu import PodRequest, Tier
from chalicelib.domain.job import JobStatus

from tests.lifecycle.faults.walks import walk
from tests.lifecycle.outages import away
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import H100, World

RATE = Decimal("2.69")
DAY_SECONDS = 86400


def _strange_pod(world: World, name: str) -> str:
    return world.cloud.adopt_stranger(PodRequest(name, "image", H100.type, 1, Tier.SPOT, {})).id


def _lines(world: World, kind: str) -> list[CostRecord]:
    return [line for line in world.costs.rows.values() if line.type == kind]


def _usd(seconds: float) -> Decimal:
    return RATE * Decimal(str(seconds)) / 3600


def _close(amount: Decimal, wanted: Decimal) -> bool:
    return abs(amount - wanted) < Decimal("0.005")


def test_a_stray_is_booked_from_its_start_until_it_is_gone_once() -> None:
    world = World()
    pod_id = _strange_pod(world, "test-job_00000000000000zz-a3-00000000")
    world.cloud.ignore_deletes = 2
    world.pass_minutes(2)
    (line,) = _lines(world, LEAKED)
    assert (line.job_id, line.key, line.pod_id) == ("job_00000000000000zz", f"leak#{pod_id}", pod_id)
    assert (line.attempt, line.person_id, line.provisional) == (3, "", True)
    assert _close(line.amount_usd, _usd(120))
    world.sweep()
    world.pass_minutes(3)
    (line,) = _lines(world, LEAKED)
    assert line.duration_seconds == 120
    assert _close(line.amount_usd, world.cloud.whole_bill_usd())


def test_a_sweep_that_runs_twice_or_was_overtaken_counts_no_second_twice() -> None:
    world = World()
    _strange_pod(world, "test-job_00000000000000zz-a1-00000000")
    world.cloud.ignore_deletes = 10
    world.clock.advance(100)
    early = world.broom()
    world.sweep()
    world.sweep()
    world.clock.advance(50)
    world.sweep()
    late = world.clock.now
    world.clock.now = early.now
    world.sweep()
    world.clock.now = late
    world.sweep()
    (line,) = _lines(world, LEAKED)
    assert _close(line.amount_usd, _usd(150))


def test_a_price_that_changes_is_paid_from_when_it_was_seen() -> None:
    world = World()
    pod_id = _strange_pod(world, "test-job_00000000000000zz-a1-00000000")
    world.cloud.ignore_deletes = 10
    world.pass_minutes(1)
    world.cloud.set_price(pod_id, RATE * 3)
    world.pass_minutes(1)
    (line,) = _lines(world, LEAKED)
    assert _close(line.amount_usd, _usd(60) + 3 * _usd(60))


def test_the_pod_of_a_closed_attempt_leaks_only_what_came_after_its_end() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    world.cloud.ignore_deletes = 10**6
    # Silent for too long while it runs: given up, and deleting it does not help.
    world.machine.advance(700)
    world.cloud.ignore_deletes = 0
    first = world.attempts.get(job_id, 1)
    assert first is not None
    assert first.ended_at is not None
    world.pass_minutes(2)
    assert trainer.pod_id not in world.cloud.billed_pods
    leaks = [line for line in _lines(world, LEAKED) if line.pod_id == trainer.pod_id]
    assert len(leaks) == 1
    assert leaks[0].person_id == world.job(job_id).created_by.id
    bill = world.cloud.billing(trainer.pod_id)
    assert bill is not None
    assert _close(first.cost_usd(world.clock.now) + leaks[0].amount_usd, bill.total_usd)


def test_a_job_s_own_pod_is_never_a_leak_and_its_cost_is_posted_at_once_and_each_five_minutes() -> None:
    world = World()
    job_id = world.running()
    for minutes in (1, 5):
        world.pass_minutes(minutes)
        assert _lines(world, LEAKED) == []
        (line,) = _lines(world, TRAINING_COMPUTE)
        assert (line.job_id, line.provisional) == (job_id, True)
        assert _close(line.amount_usd, world.cloud.whole_bill_usd())
    world.pass_minutes(4)
    assert _lines(world, TRAINING_COMPUTE) == [line]


def test_a_pod_whose_create_reply_was_lost_costs_its_own_attempt() -> None:
    world = World()
    world.cloud.lose_create_replies = 1
    world.cloud.hide_new_pods_for_lists = 4
    job_id = world.running()
    world.machine.advance(5)
    world.cancel(job_id)
    world.pass_minutes(3)
    assert world.job(job_id).status is JobStatus.CANCELLED
    total = sum((line.amount_usd for line in world.costs.rows.values()), Decimal(0))
    assert len(world.costs.rows) == 2
    assert _close(total, world.cloud.whole_bill_usd(line.pod_id for line in world.costs.rows.values()))


@pytest.mark.parametrize("by_sweeper", [True, False])
def test_books_that_were_away_when_a_leak_was_ended_ask_for_its_bill_later(by_sweeper: bool) -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    stranger = _strange_pod(world, f"test-{job_id}-a0-00000000")
    world.clock.advance(30)
    with away(world.costs, "put"):
        if by_sweeper:
            world.sweep()
        else:
            trainer.error("trainer_crashed")
            world.machine.work()
        assert stranger not in world.cloud.billed_pods
    world.pass_minutes(2)
    (line,) = _lines(world, LEAKED)
    assert (line.pod_id, line.amount_usd, line.provisional) == (stranger, Decimal(0), True)
    world.clock.advance(DAY_SECONDS + 1)
    world.settle_bills()
    (line,) = _lines(world, LEAKED)
    bill = world.cloud.billing(stranger)
    assert bill is not None
    assert (line.amount_usd, line.provisional) == (bill.total_usd, False)
    assert _close(line.amount_usd, _usd(30))


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_attempts_and_leaks_add_up_to_the_bill_after_any_faults(first: int) -> None:
    leaked = 0
    for seed in range(first, first + 15):
        world = walk(seed).world
        world.clock.advance(DAY_SECONDS + 1)
        world.settle_bills()
        lines = list(world.costs.rows.values())
        assert not [line for line in lines if line.provisional], seed
        # Not in it: a pod that vanished before any reply or list showed it; only the provider knows of that one.
        bill = world.cloud.whole_bill_usd({line.pod_id for line in lines})
        assert _close(sum((line.amount_usd for line in lines), Decimal(0)), bill), seed
        leaked += len([line for line in lines if line.type == LEAKED])
        for job in world.jobs.rows.values():
            spent = [line.amount_usd for line in world.costs.of_job(job.id) if line.type == TRAINING_COMPUTE]
            assert (job.cost_usd or 0) == sum(spent), seed
    assert leaked > 0, "walks without a leak prove nothing"
