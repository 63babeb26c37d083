"""What was done and not told, because its teller died: its repetition tells."""

from __future__ import annotations

import pytest
from chalicelib.domain.errors import (
    ServiceUnavailable,
    WrongStatus,
)

from tests.lifecycle.outages import away
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


def test_a_settlement_that_fails_once_the_pods_are_gone_is_made_good_by_the_next_sweep() -> None:
    world = World()
    job_id = world.running()
    world.cloud.ignore_deletes = 1000
    Trainer(world, job_id).hello().error("trainer_crashed")
    world.machine.advance(120)
    assert world.job(job_id).cleanup_pending
    world.cloud.ignore_deletes = 0
    world.sweep()
    with away(world.costs, "put"):
        world.machine.advance(60)
        world.sweep()
        assert not world.job(job_id).cleanup_pending
    world.machine.advance(60)
    world.sweep()
    assert world.job(job_id).cost_usd == world.attempt(job_id).cost_usd(world.clock.now)
    assert world.terminations.open() == []


def test_a_cancel_whose_rest_died_is_told_all_the_same_and_once() -> None:
    world = World()
    job_id = world.submit()
    with away(world.audit, "record"), pytest.raises(ServiceUnavailable):
        world.cancel(job_id)
    assert world.told() == ["job_cancelled"]
    with pytest.raises(WrongStatus):
        world.cancel(job_id)
    assert world.told() == ["job_cancelled"]


@pytest.mark.parametrize(("store", "method"), [("costs", "put"), ("notifications", "add")])
def test_a_settlement_that_died_after_its_last_word_is_finished_and_told_by_the_sweeper(
    store: str, method: str
) -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training").artifacts()
    with away(getattr(world, store), method):
        trainer.stage("finalization")
        world.machine.advance(600)
        assert world.job(job_id).is_final
        assert world.row(job_id).fence != ""
        assert "job_completed" not in world.told()
    world.machine.advance(60)
    world.sweep()
    assert world.row(job_id).fence == ""
    assert world.told().count("job_completed") == 1
    (line,) = world.costs.of_job(job_id)
    assert line.amount_usd == world.job(job_id).cost_usd
