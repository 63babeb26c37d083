"""An account without funds, or whose key is refused: nobody's job fails for it, and nobody hammers the provider."""

from __future__ import annotations

import pytest
from chalicelib import views
from chalicelib.domain.errors import ProviderBalanceTooLow, ProviderError, ProviderKeyRefused
from chalicelib.domain.gpu import PodStatus
from chalicelib.domain.job import JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

ERRORS = (ProviderBalanceTooLow("402: add funds"), ProviderKeyRefused("401: bad key"))


@pytest.mark.parametrize("error", ERRORS)
def test_jobs_wait_in_the_queue_while_one_of_them_tries_now_and_then(error: ProviderError) -> None:
    world = World()
    world.cloud.refuse_creates_with = error
    jobs = [world.submit(number) for number in (1, 2, 3)]
    world.dispatch()
    assert {world.job(job_id).status for job_id in jobs} == {JobStatus.QUEUED}
    first = len(world.cloud.create_calls)
    assert first <= len(jobs), "no candidate after the first is tried"

    world.pass_minutes(16)
    assert 2 <= len(world.cloud.create_calls) - first <= 3
    assert [alert["subject"] for alert in world.notifier.alerts] == [
        "GPU provider account: no pod can be rented"
    ]
    assert world.told() == []
    assert all(world.job(job_id).capacity_misses == 0 for job_id in jobs)
    view = views.job_view(world.job(jobs[0]), world.row(jobs[0]), [], world.clock.now)
    assert "account needs attention" in view["status_sentence"]

    world.cloud.refuse_creates_with = None
    world.pass_minutes(7)
    assert {world.job(job_id).status for job_id in jobs} == {JobStatus.PROVISIONING}


def test_a_second_outage_is_told_again() -> None:
    world = World()
    for number in (1, 2):
        world.cloud.refuse_creates_with = ProviderBalanceTooLow("402")
        job_id = world.running(number)
        world.cloud.refuse_creates_with = None
        world.pass_minutes(7)
        assert world.job(job_id).status is JobStatus.PROVISIONING
        Trainer(world, job_id).through("finalization")
    assert len(world.notifier.alerts) == 2


def test_an_empty_queue_uses_up_no_try() -> None:
    world = World()
    world.cloud.refuse_creates_with = ProviderBalanceTooLow("402")
    job_id = world.running()
    world.cancel(job_id)
    world.cloud.refuse_creates_with = None
    world.pass_minutes(6)
    later = world.running(2)
    assert world.job(later).status is JobStatus.PROVISIONING


def test_a_job_that_lost_its_gpu_keeps_its_checkpoint_through_an_account_without_funds() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 9)
    trainer.checkpoint(9)
    world.cloud.refuse_creates_with = ProviderBalanceTooLow("402")
    world.cloud.stop(trainer.pod_id, PodStatus.EXITED)
    world.machine.advance(90)
    assert world.job(job_id).status is JobStatus.QUEUED
    world.cloud.refuse_creates_with = None
    world.pass_minutes(7)
    assert Trainer(world, job_id).hello().reply["checkpoint"]["step"] == 9


def test_a_key_that_is_refused_ends_no_run_that_is_at_work() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 5)
    real, world.cloud.list = world.cloud.list, _refused  # type: ignore[method-assign]
    world.machine.advance(200)
    assert world.job(job_id).status is JobStatus.RUNNING
    world.cloud.list = real  # type: ignore[method-assign]
    trainer.train(6, 20).stage("training").artifacts().stage("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED


def _refused(name_prefix: str) -> tuple[()]:
    raise ProviderKeyRefused("401: the key was revoked")
