"""A cancel in every place a job can be: it ends, its pod is gone, its slot is free, and it is told once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.gpu import Pod, PodRequest
from chalicelib.domain.job import JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


def _assert_cancelled(world: World, job_id: str) -> None:
    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.CANCELLED, "user_cancelled")
    assert world.pods(job_id) == []
    assert world.jobs.slots().holders == ()
    assert world.told().count("job_cancelled") == 1
    assert "job_failed" not in world.told()
    assert (job.cost_usd or 0) == sum(
        attempt.cost_usd(world.clock.now) for attempt in world.attempts.of_job(job_id)
    )


def test_a_queued_job_is_cancelled_at_once_and_never_starts() -> None:
    world = World()
    job_id = world.submit()
    world.cancel(job_id)
    assert world.dispatch() == []
    _assert_cancelled(world, job_id)


def test_a_claimed_job_whose_execution_never_started_is_cancelled() -> None:
    world = World()
    world.machine.lose_starts = 1
    job_id = world.running()
    world.cancel(job_id)
    assert world.job(job_id).status is JobStatus.CANCELLING
    world.pass_minutes(3)
    _assert_cancelled(world, job_id)
    assert world.cloud.create_calls == []


@pytest.mark.parametrize("last", ["", "hello", "preprocessing", "model_loading", "training"])
def test_a_running_job_is_cancelled_at_once_wherever_it_is(last: str) -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id)
    if last:
        trainer.through(last)
    world.clock.advance(30)
    world.cancel(job_id)
    _assert_cancelled(world, job_id)
    assert world.machine.executions[f"{job_id}-r1"].status == "SUCCEEDED"


def test_the_trainer_of_a_job_that_is_being_cancelled_is_told_to_stop() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    world.cloud.ignore_deletes = 1
    world.cancel(job_id)
    assert trainer.send().command == "cancel"
    world.machine.advance(30)
    _assert_cancelled(world, job_id)


def test_a_cancel_while_the_gpu_is_being_rented_rents_none() -> None:
    """It arrives between the claim and the create call."""
    world = World()
    rent = world.cloud.create
    job_id = world.submit()

    def cancelled_meanwhile(request: PodRequest) -> Pod:
        world.cancel(job_id)
        return rent(request)

    world.cloud.create = cancelled_meanwhile  # type: ignore[method-assign]
    world.dispatch()
    _assert_cancelled(world, job_id)


def test_a_cancel_before_the_retry_of_a_throttled_provider_rents_none() -> None:
    world = World()
    world.cloud.fail_creates_before_commit = 1
    world.cloud.fail_lists = 1
    job_id = world.running()
    assert world.state(job_id) == "ProvisionPod"
    world.cancel(job_id)
    world.machine.advance(120)
    _assert_cancelled(world, job_id)
    assert len(world.cloud.create_calls) == 1


def test_a_cancel_during_the_back_off_ends_it_at_once() -> None:
    world = World()
    world.timings["recovery_backoff_seconds"] = 300
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    world.cloud.vanish(world.pods(job_id)[0].id)
    world.machine.advance(60)
    assert world.state(job_id) == "BackOff"
    assert world.job(job_id).status is JobStatus.RECOVERING
    world.cancel(job_id)
    _assert_cancelled(world, job_id)


def test_a_cancel_between_the_loss_and_the_recovery_is_obeyed() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    world.cloud.vanish(world.pods(job_id)[0].id)
    prepare = world.machine.lambdas["PrepareRecovery"]

    def cancelled_meanwhile(event: dict[str, Any]) -> Any:
        world.cancel(job_id)
        return prepare(event)

    world.machine.lambdas["PrepareRecovery"] = cancelled_meanwhile
    world.machine.advance(60)
    _assert_cancelled(world, job_id)


def test_a_cancel_after_training_ended_well_keeps_the_model() -> None:
    """The ending is written already; throwing a finished adapter away would help nobody."""
    world = World()
    job_id = world.running()
    world.cloud.ignore_deletes = 1
    Trainer(world, job_id).through("finalization")
    assert world.state(job_id) == "TerminatePod"
    world.cancel(job_id)
    assert world.job(job_id).status is JobStatus.CANCELLING
    world.machine.advance(30)
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert world.pods(job_id) == []
    assert world.jobs.slots().holders == ()


def test_a_second_cancel_and_one_of_an_ended_job_are_refused() -> None:
    world = World()
    job_id = world.running()
    world.cloud.ignore_deletes = 1
    world.cancel(job_id)
    with pytest.raises(WrongStatus, match="already cancelling"):
        world.cancel(job_id)
    world.machine.advance(30)
    with pytest.raises(WrongStatus, match="already cancelled"):
        world.cancel(job_id)
    _assert_cancelled(world, job_id)


def test_a_cancel_whose_signal_was_lost_is_signalled_again_by_the_sweeper() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    fail: Callable[..., bool] = world.machine.fail_wait
    world.machine.fail_wait = lambda *_: False  # type: ignore[method-assign]
    world.cancel(job_id)
    assert world.state(job_id) == "AwaitTraining"
    world.machine.fail_wait = fail  # type: ignore[method-assign]
    for _ in range(6):
        world.machine.advance(10)
        if world.job(job_id).status is JobStatus.CANCELLING:
            world.sweep()
    _assert_cancelled(world, job_id)
    assert trainer.reply["command"] == "continue", "it never heard of the cancel itself"
