"""A step that is still at work when its run has gone on: its retry did the work, and now the first call does it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chalicelib.domain.attempt import AttemptStatus
from chalicelib.domain.errors import (
    JobAlreadyEnding,
    ServiceUnavailable,
    StaleWrite,
)
from chalicelib.domain.gpu import Pod, PodRequest, Tier
from chalicelib.domain.job import JobStatus
from chalicelib.domain.progress import Intent
from chalicelib.use_cases.again import change_progress

from tests.fakes_gpu import OFFERS
from tests.lifecycle.machine import Lambda
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


def _remember(world: World, name: str) -> list[dict[str, Any]]:
    """The events that a step is invoked with."""
    seen: list[dict[str, Any]] = []
    function = world.machine.lambdas[name]

    def remembering(event: dict[str, Any]) -> Any:
        seen.append(event)
        return function(event)

    world.machine.lambdas[name] = remembering
    return seen


def _lose(world: World, job_id: str) -> None:
    world.cloud.vanish(world.pods(job_id)[-1].id)
    world.machine.advance(90)
    assert world.attempt(job_id).number == 2


def _recovered(name: str) -> tuple[World, str, Callable[[], Any]]:
    """A job that lost its pod and works on another one; calling again makes the step's first call once more."""
    world = World()
    seen = _remember(world, name)
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 4)
    _lose(world, job_id)
    function: Lambda = world.machine.lambdas[name]
    return world, job_id, lambda: function(seen[0])


def test_a_late_preparation_of_a_recovery_takes_the_next_pod_for_no_loss() -> None:
    world, job_id, again = _recovered("PrepareRecovery")
    again()
    assert world.job(job_id).recoveries == 1
    assert world.attempt(job_id).status is AttemptStatus.LIVE


def test_a_late_termination_of_a_lost_pod_spares_the_next_one() -> None:
    world, job_id, again = _recovered("TerminatePod")
    again()
    assert len(world.pods(job_id)) == 1
    assert world.attempt(job_id).status is AttemptStatus.LIVE


def test_a_termination_during_which_the_next_pod_is_rented_spares_it() -> None:
    world, job_id, again = _recovered("TerminatePod")
    attempts, opened = world.attempts.rows, world.attempt(job_id)
    listed = world.cloud.list
    # The list shows the next pod; its attempt was not there when the step began.
    del attempts[(job_id, 2)]

    def stored_meanwhile(name_prefix: str) -> Any:
        attempts[(job_id, 2)] = opened
        return listed(name_prefix)

    world.cloud.list = stored_meanwhile  # type: ignore[method-assign]
    again()
    assert len(world.pods(job_id)) == 1


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PAUSED])
def test_a_late_provisioning_of_a_settled_run_rents_nothing(status: JobStatus) -> None:
    world = World()
    seen = _remember(world, "ProvisionPod")
    if status is JobStatus.QUEUED:
        world.cloud.without_capacity = {(offer.gpu_id, tier) for offer in OFFERS for tier in Tier}
        job_id = world.running()
        world.cloud.without_capacity = set()
    else:
        job_id = world.running()
        trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 4)
        world.pause(job_id)
        trainer.checkpoint(4, "pause").stopping("paused")
    assert world.job(job_id).status is status
    with pytest.raises(JobAlreadyEnding):
        world.machine.lambdas["ProvisionPod"](seen[0])
    assert world.pods(job_id) == []


def test_a_late_wait_of_a_settled_run_leaves_no_token() -> None:
    world = World()
    seen = _remember(world, "AwaitStage")
    job_id = world.running()
    Trainer(world, job_id).through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    world.machine.lambdas["AwaitStage"](seen[0])
    assert world.row(job_id).token is None


def test_a_wait_of_an_older_run_does_not_take_the_place_of_the_present_one() -> None:
    world = World()
    seen = _remember(world, "AwaitStage")
    job_id = world.running()
    trainer = Trainer(world, job_id).hello()
    read = world.jobs.get

    def replaced_meanwhile(job_id: str) -> Any:
        world.jobs.get = read  # type: ignore[method-assign]
        before = read(job_id)
        world.machine.kill(job_id, 1)
        world.machine.advance(60)
        world.sweep()
        return before

    world.jobs.get = replaced_meanwhile  # type: ignore[method-assign]
    world.machine.lambdas["AwaitStage"]({**seen[0], "token": "token-of-the-older-run"})
    assert world.job(job_id).run == 2
    assert world.row(job_id).token != "token-of-the-older-run"
    trainer.through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED


@pytest.mark.parametrize("error", [StaleWrite("sent twice"), ServiceUnavailable("no reply")])
@pytest.mark.parametrize("store", ["jobs", "attempts"])
def test_a_loss_counts_once_whatever_becomes_of_the_reply_to_its_writing(
    store: str, error: Exception
) -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 4)
    function = world.machine.lambdas["PrepareRecovery"]
    rows = getattr(world, store)
    save = rows.save

    def without_a_reply(after: Any, *, expected: Any) -> Any:
        rows.save = save
        save(after, expected=expected)
        raise error

    def preparing(event: dict[str, Any]) -> Any:
        world.machine.lambdas["PrepareRecovery"] = function
        rows.save = without_a_reply
        return function(event)

    world.machine.lambdas["PrepareRecovery"] = preparing
    _lose(world, job_id)
    assert world.job(job_id).recoveries == 1
    assert world.job(job_id).status is JobStatus.RECOVERING
    assert [each.end for each in world.attempts.of_job(job_id)] == ["lost", None]


def test_the_last_words_of_a_lost_pod_do_not_show_the_job_running() -> None:
    world = World()
    world.timings["recovery_backoff_seconds"] = 100
    job_id = world.running()
    old = Trainer(world, job_id).through("model_loading")
    world.cloud.vanish(old.pod_id)
    world.machine.advance(60)
    assert world.job(job_id).status is JobStatus.RECOVERING
    old.stage("training", "active")
    assert world.job(job_id).status is JobStatus.RECOVERING
    world.machine.advance(100)
    Trainer(world, job_id).through("preprocessing")
    assert world.job(job_id).status is JobStatus.RUNNING


def test_what_was_wanted_of_an_earlier_run_does_not_end_the_next() -> None:
    world = World()
    world.cloud.without_capacity = {(offer.gpu_id, tier) for offer in OFFERS for tier in Tier}
    job_id = world.running()
    assert world.job(job_id).status is JobStatus.QUEUED
    change_progress(world.progress, job_id, lambda row: replace(row, intent=Intent.FINISH))
    world.cloud.without_capacity = set()
    world.pass_minutes(3)
    assert Trainer(world, job_id).hello().command == "continue"


def _restart_before(world: World, owner: Any, method: str, job_id: str) -> None:
    """The execution dies just before the next call, and the sweeper's new run has done all it can when it is made."""
    real = getattr(owner, method)

    def called(*arguments: Any, **named: Any) -> Any:
        setattr(owner, method, real)
        world.machine.kill(job_id, 1)
        world.machine.advance(60)
        world.sweep()
        return real(*arguments, **named)

    setattr(owner, method, called)


@pytest.mark.parametrize(("port", "method"), [("progress", "save"), ("cloud", "create")])
def test_a_run_that_was_replaced_while_it_rents_does_not_silence_its_successor_s_pod(
    port: str, method: str
) -> None:
    world = World()
    job_id = world.submit()
    _restart_before(world, getattr(world, port), method, job_id)
    world.dispatch()
    assert world.job(job_id).run == 2
    world.pass_minutes(1)
    (pod,) = world.pods(job_id)
    assert world.attempt(job_id).pod_id == pod.id
    Trainer(world, job_id, pod).through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert [each.status for each in world.attempts.of_job(job_id)] == [AttemptStatus.ENDED] * 2


def test_a_checkpoint_that_arrives_while_its_run_is_settled_is_not_pointed_at() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 4)
    save = world.jobs.save

    def cancelled_meanwhile(after: Any, *, expected: Any) -> Any:
        world.jobs.save = save  # type: ignore[method-assign]
        world.cancel(job_id)
        return save(after, expected=expected)

    world.jobs.save = cancelled_meanwhile  # type: ignore[method-assign]
    trainer.checkpoint(4)
    assert world.job(job_id).status is JobStatus.CANCELLED
    assert world.job(job_id).checkpoint is None


def test_of_two_pods_of_one_name_the_known_one_is_moved_into_again() -> None:
    world = World()
    job_id = world.submit()
    create = world.cloud.create

    def twice(request: PodRequest) -> Pod:
        create(request)
        return create(request)

    world.cloud.create = twice  # type: ignore[method-assign]
    world.dispatch()
    known = world.attempt(job_id).pod_id
    world.machine.lambdas["ProvisionPod"]({"job_id": job_id, "run": 1})
    assert world.attempt(job_id).pod_id == known
    world.pass_minutes(1)
    assert [pod.id for pod in world.pods(job_id)] == [known]


def test_a_pod_that_is_gone_when_a_new_run_looks_for_it_counts_as_lost() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    world.cloud.vanish(world.pods(job_id)[0].id)
    world.machine.kill(job_id, 1)
    world.machine.advance(60)
    world.sweep()
    assert world.attempt(job_id).number == 2
    assert world.job(job_id).recoveries == 1
    assert world.job(job_id).status is JobStatus.RECOVERING
