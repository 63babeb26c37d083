"""Reservations through the life of a job: nothing starts that does not fit, and nothing stays reserved for nothing."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.budget import Budget, Standing
from chalicelib.domain.errors import BudgetExceeded
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.change_budget import change_budget
from chalicelib.use_cases.read_budget import read_budget
from chalicelib.use_cases.release_budget import release_budget
from chalicelib.use_cases.reserve_budget import reserve_budget

from tests.builders import DANA, a_job
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

CAP = Decimal("5.00")


def limit(world: World, usd: str | None, grace: int = 0) -> Budget:
    return change_budget(
        None if usd is None else Decimal(usd),
        Decimal(grace),
        next_month=False,
        user=DANA,
        budgets=world.budgets,
        audit=world.audit,
        now=world.clock.now,
    )


def stands(world: World) -> Standing:
    return read_budget(budgets=world.budgets, costs=world.costs, now=world.clock.now)


def reserve(world: World, number: int = 1, **changes: object) -> str:
    job = a_job(number, at=world.clock.now, **changes)
    reserve_budget(job, budgets=world.budgets, costs=world.costs, now=world.clock.now)
    return job.id


def started(world: World, number: int = 1) -> str:
    """Reserved first, queued then, as `start_job` does it; and running."""
    reserve(world, number)
    return world.running(number)


def test_a_start_that_does_not_fit_is_refused_with_every_figure() -> None:
    world = World()
    limit(world, "9.00")
    reserve(world, 1)
    with pytest.raises(BudgetExceeded) as refused:
        reserve(world, 2)
    assert refused.value.details == {
        "month": "2026-11",
        "limit_usd": "9.00",
        "grace_percent": "0",
        "month_to_date_usd": "0.00",
        "reserved_usd": "5.00",
        "remaining_usd": "4.00",
        "needed_usd": "5.00",
        "shortfall_usd": "1.00",
    }
    for figure in ("$9.00", "$0.00 is spent", "$5.00 is reserved", "$4.00 is left", "$1.00 too little"):
        assert figure in refused.value.message
    reserve(world, 1)
    assert stands(world).reserved_usd == CAP, "reserving twice reserves once"


def test_the_grace_lets_a_little_more_start() -> None:
    world = World()
    limit(world, "9.10", grace=10)
    reserve(world, 1)
    reserve(world, 2)
    with pytest.raises(BudgetExceeded):
        reserve(world, 3)


def test_nothing_is_refused_and_nothing_written_without_a_limit() -> None:
    world = World()
    for number in range(1, 5):
        reserve(world, number)
    assert world.budgets.get().version == 0


def test_a_running_job_reserves_its_cap_less_what_it_spent_and_its_end_frees_the_rest() -> None:
    world = World()
    limit(world, "10.00")
    job_id = started(world)
    trainer = Trainer(world, job_id)
    # The books were written after a minute, and each five from then on.
    world.pass_minutes(13)
    found = stands(world)
    assert found.month_to_date_usd == pytest.approx(Decimal("2.69") * 11 / 60, abs=Decimal("0.001"))
    assert found.reserved == {job_id: CAP - found.month_to_date_usd}
    assert found.forecast_usd == CAP
    trainer.through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    after = stands(world)
    assert after.reserved_usd == 0
    assert after.month_to_date_usd == world.job(job_id).cost_usd
    world.pass_minutes(5)
    assert world.budgets.get().reservations == ()


def test_what_the_books_do_not_show_yet_stays_counted() -> None:
    """The index of the books may lag: neither a running nor an ended job ever counts for less than it spent."""
    world = World()
    limit(world, "10.00")
    job_id = started(world)
    trainer = Trainer(world, job_id)
    world.pass_minutes(10)
    world.costs.rows.clear()
    assert stands(world).forecast_usd == CAP
    trainer.through("finalization")
    spent = world.job(job_id).cost_usd
    assert spent is not None
    world.costs.rows.clear()
    assert stands(world).forecast_usd == spent


def test_a_paused_job_frees_the_rest_and_its_resume_reserves_again_what_is_left_of_the_cap() -> None:
    world = World()
    limit(world, "10.00")
    job_id = started(world)
    trainer = Trainer(world, job_id).through("model_loading")
    for _ in range(40):
        world.machine.advance(15)
        trainer.send()
    trainer.stage("training", "active").train(1, 5)
    world.pause(job_id)
    trainer.checkpoint(5, "pause").stopping("paused")
    world.machine.advance(30)
    job = world.job(job_id)
    assert job.status is JobStatus.PAUSED
    assert job.cost_usd is not None
    assert stands(world).reserved_usd == 0
    reserve_budget(job, budgets=world.budgets, costs=world.costs, now=world.clock.now)
    assert stands(world).forecast_usd == CAP
    world.clock.advance(300)
    release_budget(job, budgets=world.budgets, now=world.clock.now)
    assert stands(world).forecast_usd == job.cost_usd


def test_a_requeued_job_keeps_its_reservation() -> None:
    world = World()
    limit(world, "10.00")
    world.cloud.without_capacity = {
        (offer.gpu_id, tier) for offer in world.cloud.offers for tier in offer.max_count
    }
    job_id = started(world)
    assert world.job(job_id).status is JobStatus.QUEUED
    world.pass_minutes(5)
    assert stands(world).reserved == {job_id: CAP}


def test_a_crash_between_reservation_and_start_is_healed_and_a_start_under_way_is_left_alone() -> None:
    world = World()
    limit(world, "5.00")
    world.jobs.save(a_job(1, at=world.clock.now), expected=None)
    reserve(world, 1)
    reserve_of_nobody = a_job(2).id
    world.heal_budget()
    assert stands(world).reserved_usd == CAP, "the start may be about to write its job"
    world.pass_minutes(5)
    assert world.budgets.get().reservations == ()
    reserve(world, 2)
    world.pass_minutes(5)
    assert world.jobs.get(reserve_of_nobody) is None
    assert world.budgets.get().reservations == ()


def test_jobs_started_before_the_first_limit_are_reserved_when_it_is_set() -> None:
    world = World()
    job_id = world.running()
    world.pass_minutes(3)
    limit(world, "7.00")
    world.heal_budget()
    found = stands(world)
    assert found.reserved.keys() == {job_id}
    assert found.forecast_usd == CAP
    with pytest.raises(BudgetExceeded):
        reserve(world, 2)


def test_a_limit_may_begin_next_month() -> None:
    world = World()
    change_budget(
        Decimal(3),
        None,
        next_month=True,
        user=DANA,
        budgets=world.budgets,
        audit=world.audit,
        now=world.clock.now,
    )
    reserve(world, 1)
    world.clock.advance(9 * 86400)
    assert stands(world).limit_usd == Decimal(3)
    with pytest.raises(BudgetExceeded):
        reserve(world, 2)


def test_each_threshold_is_told_once_a_month() -> None:
    world = World()
    world.running()
    world.pass_minutes(60)
    limit(world, "3.00", grace=100)
    world.pass_minutes(15)
    subjects = [alert["subject"] for alert in world.notifier.alerts]
    assert subjects == [f"Budget: {percent}% of 2026-11 is used" for percent in (80, 90, 100)]
    assert len([line for line in world.audit.lines if line["action"] == "budget.warning"]) == 3


@pytest.mark.parametrize("seed", range(6))
def test_random_lives_never_commit_more_than_the_limit_nor_leave_a_reservation_behind(seed: int) -> None:
    chance = random.Random(seed)
    world = World(limit=3)
    limit(world, "12.00")
    refused = 0
    for number in range(1, 12):
        try:
            reserve(world, number)
        except BudgetExceeded:
            refused += 1
            world.pass_minutes(chance.randrange(1, 4))
            continue
        if chance.random() < 0.2:
            continue
        job_id = world.submit(number)
        world.dispatch()
        assert stands(world).forecast_usd <= Decimal("12.00")
        if chance.random() < 0.5:
            world.pass_minutes(chance.randrange(1, 4))
            world.cancel(job_id)
        world.pass_minutes(chance.randrange(0, 3))
        assert stands(world).forecast_usd <= Decimal("12.00")
    assert refused
    for job in list(world.jobs.rows.values()):
        if job.status in transitions.CANCELLABLE:
            world.cancel(job.id)
    world.pass_minutes(8)
    assert world.budgets.get().reservations == ()
