"""Pausing and going on: any number of times, on the same GPU or another, with nothing lost and paused time apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from chalicelib import views
from chalicelib.domain import pausing
from chalicelib.domain.errors import NotAllowed, StorageUnavailable, WrongStatus
from chalicelib.domain.gpu import PodStatus, Tier
from chalicelib.domain.job import Job, JobStatus, Stage
from chalicelib.use_cases.again import change_job

from tests.builders import DANA, MIRO
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import H100, World


def _pause_at(world: World, job_id: str, step: int) -> Trainer:
    """A job in training, paused with its own checkpoint."""
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, step)
    world.pause(job_id)
    assert trainer.send().command == "pause"
    return trainer.checkpoint(step, "pause").stopping("paused")


def _resume(world: World, job_id: str, tier: Tier = Tier.SPOT) -> Job:
    """What the use case does once its checks have passed."""
    gpu = replace(H100, tier=tier)
    job = change_job(
        world.jobs,
        job_id,
        lambda before: pausing.resume(
            before, gpu, before.spend_cap_usd, DANA.as_person(), 30, world.clock.now
        ),
    )
    world.dispatch()
    return job


def _view(world: World, job_id: str) -> dict[str, object]:
    return views.job_view(
        world.job(job_id), world.row(job_id), world.attempts.of_job(job_id), world.clock.now
    )


def test_a_job_paused_twice_goes_on_each_time_and_completes() -> None:
    world = World()
    job_id = world.running()
    _pause_at(world, job_id, 6)
    world.machine.advance(3600)
    _resume(world, job_id)
    second = Trainer(world, job_id).hello()
    assert second.reply["checkpoint"]["step"] == 6
    second.stage("preprocessing").stage("model_loading").stage("training", "active").train(7, 12)
    world.pause(job_id)
    second.send()
    second.checkpoint(12, "pause").stopping("paused")
    world.machine.advance(7200)
    _resume(world, job_id, Tier.ON_DEMAND)
    third = Trainer(world, job_id).hello()
    assert third.reply["checkpoint"]["step"] == 12
    assert world.attempt(job_id).tier is Tier.ON_DEMAND
    third.stage("preprocessing").stage("model_loading").stage("training", "active").train(13, 20)
    third.stage("training").artifacts().stage("finalization")

    job = world.job(job_id)
    assert job.status is JobStatus.COMPLETED
    assert [each.step for each in job.pauses] == [6, 12]
    assert all(each.own_checkpoint and each.over_at for each in job.pauses)
    assert sorted(world.points(job_id)) == list(range(1, 21))
    assert job.cost_usd == sum(each.cost_usd(world.clock.now) for each in world.attempts.of_job(job_id))
    times = _view(world, job_id)["times"]
    assert isinstance(times, dict)
    assert times["paused_seconds"] == 3600 + 7200
    assert times["active_seconds"] + times["paused_seconds"] == times["elapsed_seconds"]
    history = _view(world, job_id)["history"]
    assert isinstance(history, list)
    assert [each["what"] for each in history] == [
        *("started", "paused", "resumed", "paused", "resumed", "completed")
    ]
    assert [each["seconds"] for each in history if each["what"] == "resumed"] == [3600, 7200]
    assert world.told().count("job_paused") == 2


def test_a_resumed_job_waits_its_turn_when_the_slots_are_taken() -> None:
    world = World(limit=1)
    job_id = world.running()
    _pause_at(world, job_id, 4)
    other = world.running(2)
    assert world.job(other).status is JobStatus.PROVISIONING
    assert _resume(world, job_id).status is JobStatus.QUEUED
    assert world.job(job_id).status is JobStatus.QUEUED
    Trainer(world, other).through("finalization")
    assert world.job(job_id).status is JobStatus.PROVISIONING


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        ("hello", "not begun"),
        ("preprocessing", "no checkpoint"),
        ("finalization", "completed cannot be paused"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused_with_the_reason(last: str, sentence: str) -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through(last)
    with pytest.raises(WrongStatus, match=sentence):
        world.pause(job_id)


def test_only_the_maker_or_a_manager_may_pause() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").stage("training", "active")
    with pytest.raises(NotAllowed):
        world.pause(job_id, MIRO)


def test_a_second_pause_and_a_resume_of_a_running_job_are_refused() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").stage("training", "active")
    with pytest.raises(WrongStatus, match="Only a paused job"):
        _resume(world, job_id)
    world.pause(job_id)
    with pytest.raises(WrongStatus, match="pausing already"):
        world.pause(job_id)


def test_a_pod_lost_while_pausing_leaves_the_checkpoint_before_and_says_so() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 9)
    trainer.checkpoint(5)
    world.pause(job_id)
    world.cloud.vanish(trainer.pod_id)
    world.machine.advance(60)

    job = world.job(job_id)
    assert (job.status, job.pauses[-1].step, job.pauses[-1].own_checkpoint) == (JobStatus.PAUSED, 5, False)
    assert "could not be stored" in str(_view(world, job_id)["status_sentence"])
    assert world.pods(job_id) == []


def test_a_silent_pod_that_lives_keeps_its_time_to_store_the_pause() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 9)
    world.pause(job_id)
    world.machine.advance(120)
    assert world.state(job_id) == "AwaitCheckpoint"
    trainer.checkpoint(9, "pause").stopping("paused")
    assert (world.job(job_id).status, world.job(job_id).pauses[-1].step) == (JobStatus.PAUSED, 9)


def test_a_job_that_was_done_before_it_heard_of_the_pause_completes() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training")
    trainer.stage("finalization", "active")
    trainer.artifacts()
    # The wish is written the moment before the last event.
    change_job(world.jobs, job_id, lambda job: replace(job, stage=Stage.TRAINING))
    world.pause(job_id)
    assert world.state(job_id) == "JobEnded" or world.job(job_id).status is JobStatus.PAUSING
    trainer.stage("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED


def test_pausing_a_recovery_rents_no_other_gpu() -> None:
    world = World()
    world.timings["recovery_backoff_seconds"] = 100
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 9)
    trainer.checkpoint(9)
    world.cloud.stop(trainer.pod_id, PodStatus.EXITED)
    world.machine.advance(60)
    assert world.job(job_id).status is JobStatus.RECOVERING
    world.pause(job_id)
    job = world.job(job_id)
    assert (job.status, job.pauses[-1].step) == (JobStatus.PAUSED, 9)
    assert len(world.cloud.create_calls) == 1


def test_a_paused_job_can_be_cancelled_and_costs_nothing_more() -> None:
    world = World()
    job_id = world.running()
    _pause_at(world, job_id, 4)
    cost = world.job(job_id).cost_usd
    world.machine.advance(3600)
    assert world.cancel(job_id).status is JobStatus.CANCELLED
    assert world.job(job_id).cost_usd == cost


def test_checkpoints_no_run_goes_on_from_are_removed_from_storage() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active")
    for step in (2, 4, 6, 8, 10):
        trainer.train(step - 1, step).checkpoint(step)
    assert _stored_steps(world, job_id) == [6, 8, 10]
    trainer._store("checkpoints/step-000011")  # uploaded, and never announced
    world.pause(job_id)
    trainer.send()
    trainer.checkpoint(12, "pause").stopping("paused")
    assert _stored_steps(world, job_id) == [8, 10, 12]


def _stored_steps(world: World, job_id: str) -> list[int]:
    marks = {key.split("/")[5] for key in world.files.objects if "/checkpoints/" in key and job_id in key}
    return sorted(int(mark.removeprefix("step-")) for mark in marks)


def test_a_job_paused_for_too_long_ends_and_its_checkpoints_go() -> None:
    world = World()
    job_id = world.running()
    _pause_at(world, job_id, 4)
    world.clock.advance(timedelta(days=26, hours=12).total_seconds())
    assert world.expire_pauses() == []
    assert "pause_ends_soon" not in world.told()
    world.clock.advance(timedelta(days=1).total_seconds())
    world.expire_pauses()
    assert world.expire_pauses() == []
    assert world.told().count("pause_ends_soon") == 1
    world.clock.advance(timedelta(days=3).total_seconds())
    with pytest.raises(WrongStatus, match="more than 30 days"):
        _resume(world, job_id)
    assert world.expire_pauses() == [job_id]

    job = world.job(job_id)
    assert (job.status, job.end_reason, job.checkpoint) == (JobStatus.CANCELLED, "pause_expired", None)
    assert _stored_steps(world, job_id) == []
    assert world.told().count("pause_ended") == 1


@pytest.mark.parametrize("broken", ["files", "notifications"])
def test_an_end_that_meets_an_outage_is_told_and_tidied_once_it_is_over(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    job_id, other = world.running(1), world.running(2)
    for each in (job_id, other):
        _pause_at(world, each, 4)
    world.clock.advance(timedelta(days=30).total_seconds())

    def refusing(*_: object, **__: object) -> None:
        raise StorageUnavailable("Storage does not answer.")

    with monkeypatch.context() as outage:
        store, name = {
            "files": (world.files, "delete_prefix"),
            "notifications": (world.notifications, "add"),
        }[broken]
        outage.setattr(store, name, refusing)
        assert world.expire_pauses() == []
        with pytest.raises(WrongStatus):
            _resume(world, job_id)
        assert world.job(job_id).status is JobStatus.PAUSED
    world.clock.advance(60)
    assert sorted(world.expire_pauses()) == sorted([job_id, other])
    assert world.expire_pauses() == []
    assert (_stored_steps(world, job_id), world.told().count("pause_ended")) == ([], 2)
    ended = world.job(job_id)
    assert ended.ended_at == world.clock.now - timedelta(seconds=60)
    assert ended.changed_at == world.clock.now


def test_a_job_resumed_at_the_last_moment_keeps_its_checkpoint() -> None:
    world = World()
    job_id = world.running()
    _pause_at(world, job_id, 4)
    world.clock.advance(timedelta(days=29).total_seconds())
    _resume(world, job_id)
    world.clock.advance(timedelta(days=2).total_seconds())
    assert world.expire_pauses() == []
    assert _stored_steps(world, job_id) == [4]


def test_how_long_a_pause_is_kept_is_a_setting() -> None:
    world = World()
    world.documents.put("organisation", {"pause_kept_days": 2})
    job_id = world.running()
    _pause_at(world, job_id, 4)
    world.clock.advance(timedelta(days=2).total_seconds())
    assert world.expire_pauses() == [job_id]
