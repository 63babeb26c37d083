"""What was done and not told, because its teller died: its repetition tells."""

from __future__ import annotations

from typing import Any

import pytest
from chalicelib.domain.cost import CostRecord
from chalicelib.domain.errors import (
    ServiceUnavailable,
    WrongStatus,
)
from chalicelib.domain.notification import Notification

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
    put = world.costs.put
    world.costs.put = _unavailable  # type: ignore[method-assign]
    world.machine.advance(60)
    world.sweep()
    assert not world.job(job_id).cleanup_pending
    world.costs.put = put  # type: ignore[method-assign]
    world.machine.advance(60)
    world.sweep()
    assert world.job(job_id).cost_usd == world.attempt(job_id).cost_usd(world.clock.now)
    assert world.terminations.open() == []


def _unavailable(record: CostRecord) -> None:
    raise ServiceUnavailable("The database did not answer.")


def test_a_cancel_whose_rest_died_is_told_all_the_same_and_once() -> None:
    world = World()
    job_id = world.submit()
    record = world.audit.record
    world.audit.record = _no_audit  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable):
        world.cancel(job_id)
    world.audit.record = record  # type: ignore[method-assign]
    assert world.told() == ["job_cancelled"]
    with pytest.raises(WrongStatus):
        world.cancel(job_id)
    assert world.told() == ["job_cancelled"]


def _no_audit(**facts: Any) -> None:
    raise ServiceUnavailable("The database did not answer.")


def test_a_settlement_that_died_after_its_last_word_is_finished_by_the_sweeper() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training").artifacts()
    put = world.costs.put
    world.costs.put = _unavailable  # type: ignore[method-assign]
    trainer.stage("finalization")
    world.machine.advance(600)
    assert world.job(job_id).is_final
    assert world.row(job_id).fence != ""
    world.costs.put = put  # type: ignore[method-assign]
    world.machine.advance(60)
    world.sweep()
    assert world.row(job_id).fence == ""
    assert world.told().count("job_completed") == 1
    (line,) = world.costs.of_job(job_id)
    assert line.amount_usd == world.job(job_id).cost_usd


def test_an_end_that_could_not_be_told_for_long_is_told_by_the_sweeper() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training").artifacts()
    add = world.notifications.add
    world.notifications.add = _untold  # type: ignore[method-assign]
    trainer.stage("finalization")
    world.machine.advance(600)
    assert world.job(job_id).is_final
    assert "job_completed" not in world.told()
    world.notifications.add = add  # type: ignore[method-assign]
    world.pass_minutes(2)
    assert world.told().count("job_completed") == 1
    assert world.row(job_id).fence == ""


def _untold(notification: Notification) -> bool:
    raise ServiceUnavailable("The database did not answer.")
