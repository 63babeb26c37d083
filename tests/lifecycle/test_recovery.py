"""A GPU that is taken away, falls silent, or cannot be asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from chalicelib.domain.errors import StaleAttempt, ValidationFailed
from chalicelib.domain.gpu import PodStatus
from chalicelib.domain.job import JobStatus
from chalicelib.use_cases.issue_urls import issue_urls

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


def _lose(world: World, job_id: str) -> None:
    world.cloud.vanish(world.pods(job_id)[0].id)
    world.machine.advance(120)


def test_a_lost_pod_is_replaced_and_training_goes_on_from_the_checkpoint() -> None:
    world = World()
    job_id = world.running()
    old = Trainer(world, job_id).through("model_loading").train(1, 12).checkpoint(10)
    _lose(world, job_id)

    new = Trainer(world, job_id).hello()
    assert (new.attempt, new.reply["checkpoint"]["step"], new.reply["checkpoint"]["attempt"]) == (2, 10, 1)
    assert world.attempt(job_id).resumed_from_step == 10
    new.stage("preprocessing").stage("model_loading").train(11, 20).stage("training").artifacts()
    new.stage("finalization")

    job = world.job(job_id)
    assert (job.status, job.recoveries) == (JobStatus.COMPLETED, 1)
    assert sorted(set(world.points(job_id))) == list(range(1, 21))
    assert job.cost_usd == sum(each.cost_usd(world.clock.now) for each in world.attempts.of_job(job_id))
    assert len(world.costs.of_job(job_id)) == 2
    assert world.told().count("job_started") == 1
    assert "GPU interrupted, recovering from step 10" in world.said(job_id)
    with pytest.raises(StaleAttempt):
        old.send()


def test_a_new_pod_is_offered_the_checkpoints_before_the_newest_and_what_was_reported_after_them() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    for step in (5, 10, 15, 20):
        trainer.train(step - 4, step).checkpoint(step)
    trainer.train(21, 23)
    _lose(world, job_id)

    new = Trainer(world, job_id).hello()
    assert new.reply["checkpoint"]["step"] == 20
    assert [each["step"] for each in new.reply["earlier_checkpoints"]] == [15, 10]
    # 2.0 - step / 100 is what the trainer of these tests reports.
    assert [[step, 2.0 - step / 100] for step in (21, 22, 23)] == [
        pair for pair in new.reply["reported_losses"] if pair[0] > 20
    ]

    def links(*names: str) -> Mapping[str, str]:
        reply = issue_urls(
            job_id,
            attempt=new.attempt,
            fence=new.fence,
            uploads=[],
            downloads=names,
            jobs=world.jobs,
            progress=world.progress,
            files=world.files,
        )
        found: Mapping[str, str] = reply["downloads"]
        return found

    name = new.reply["checkpoint"]["files"][0]["name"]
    wanted = [f"checkpoint/step-{step:06d}/{name}" for step in (20, 15, 10)]
    for step, link in zip((20, 15, 10), links(*wanted).values(), strict=True):
        assert f"attempts/1/checkpoints/step-{step:06d}/{name}" in link
    with pytest.raises(ValidationFailed):
        links(f"checkpoint/step-000005/{name}")

    # The newest was damaged, so the new pod goes on from 15 and stores 18: what lay beyond counts no more.
    new.stage("preprocessing").stage("model_loading").train(16, 18).checkpoint(18)
    job = world.job(job_id)
    assert job.checkpoint is not None
    assert (job.checkpoint.step, job.checkpoint.attempt) == (18, 2)
    assert [each.step for each in job.earlier_checkpoints] == [15, 10]


def test_a_resumed_run_takes_another_gpu_type_only_when_its_own_cannot_be_had() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").checkpoint(10)
    mine = world.cloud.offers[0]
    world.cloud.without_capacity = {(mine.gpu_id, tier) for tier in mine.max_count}
    _lose(world, job_id)

    calls = world.cloud.create_calls[1:]
    assert [call.gpu_id for call in calls[:-1]] == [mine.gpu_id] * (len(calls) - 1)
    assert calls[0].data_center_ids == ()  # the only data centre known is the one to be avoided
    assert world.attempt(job_id).gpu_id == calls[-1].gpu_id != mine.gpu_id
    assert Trainer(world, job_id).hello().reply["checkpoint"]["step"] == 10


def test_a_resumed_run_without_any_gpu_waits_in_the_queue_with_what_it_has() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").checkpoint(10)
    world.cloud.without_capacity = {
        (offer.gpu_id, tier) for offer in world.cloud.offers for tier in offer.max_count
    }
    _lose(world, job_id)

    assert world.job(job_id).status is JobStatus.QUEUED
    assert world.job(job_id).cost_usd == world.attempts.rows[(job_id, 1)].cost_usd(world.clock.now) > 0


def test_a_lost_pod_s_data_centre_is_tried_last() -> None:
    world = World()
    mine = replace(world.cloud.offers[0], data_center_ids=("US-KS-2", "EU-RO-1"))
    world.cloud.offers = (mine, *world.cloud.offers[1:])
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").checkpoint(10)
    _lose(world, job_id)
    assert world.cloud.create_calls[-1].data_center_ids == ("EU-RO-1",)


def test_a_loss_is_noticed_within_45_seconds_and_another_gpu_asked_for_within_60() -> None:
    """At the worst moment: right after the agent was heard, with the timings of production."""
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 9)
    lost_at = world.clock.now
    world.cloud.vanish(trainer.pod_id)
    waited: dict[JobStatus, float] = {}
    while len(world.cloud.create_calls) < 2:
        world.machine.advance(1)
        since = (world.clock.now - lost_at).total_seconds()
        waited.setdefault(world.job(job_id).status, since)
    assert waited[JobStatus.RECOVERING] <= 45
    assert since <= 60


def test_a_notice_that_the_machine_is_taken_away_is_acted_on_at_once() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 9)
    trainer.stopping("sigterm")
    assert (world.state(job_id), world.job(job_id).status) == ("BackOff", JobStatus.RECOVERING)
    # It has its last seconds to store what it can, and is believed.
    trainer.checkpoint(9, "terminating")
    world.cloud.vanish(trainer.pod_id)
    world.machine.advance(6)
    new = Trainer(world, job_id).hello()
    assert (new.attempt, new.reply["checkpoint"]["step"]) == (2, 9)
    assert world.job(job_id).recoveries == 1


def test_the_fourth_loss_is_one_too_many() -> None:
    world = World()
    job_id = world.running()
    for number in range(1, 5):
        Trainer(world, job_id).through("model_loading")
        assert world.attempt(job_id).number == number
        world.cloud.vanish(world.pods(job_id)[0].id)
        world.machine.advance(200)

    job = world.job(job_id)
    assert (job.status, job.end_reason, job.recoveries) == (JobStatus.FAILED, "provider_lost", 3)
    assert world.told().count("job_failed") == 1
    assert world.jobs.slots().holders == ()
    assert world.machine.executions[f"{job_id}-r1"].status == "FAILED"


@pytest.mark.parametrize("status", [PodStatus.EXITED, PodStatus.ERROR])
def test_a_pod_that_is_listed_and_stopped_is_replaced(status: PodStatus) -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    world.cloud.stop(world.pods(job_id)[0].id, status)
    world.machine.advance(60)
    assert world.attempt(job_id).number == 2


def test_a_silent_pod_that_is_listed_is_waited_for_and_then_replaced() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    world.machine.advance(280)
    assert world.attempt(job_id).number == 1
    world.machine.advance(60)
    assert world.attempt(job_id).number == 2
    assert len(world.pods(job_id)) == 1


def test_a_pod_that_speaks_again_in_time_is_kept() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    for _ in range(10):
        world.machine.advance(200)
        trainer.send()
    assert world.attempt(job_id).number == 1
    trainer.through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED


def test_no_pod_is_replaced_while_our_own_door_is_shut() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    world.documents.put("door", {"open_at": world.clock.now.isoformat()})
    world.machine.advance(1800)
    assert world.attempt(job_id).number == 1
    trainer.send()
    assert world.state(job_id) == "AwaitTraining"


def test_one_list_that_misses_the_pod_proves_nothing() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    rented = world.cloud._rented[world.pods(job_id)[0].id]
    rented.hidden_lists = 1
    world.machine.advance(40)
    assert world.attempt(job_id).number == 1


def test_a_provider_that_cannot_be_asked_costs_a_silent_run_nothing() -> None:
    """Our network is down: neither the pod nor the provider can be heard. Both come back."""
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").train(1, 5)
    world.cloud.fail_lists = 10**6
    world.pass_minutes(30)
    assert world.job(job_id).status is JobStatus.RUNNING
    world.cloud.fail_lists = 0
    trainer.send()
    trainer.train(6, 20).stage("training").artifacts().stage("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert len(world.cloud.create_calls) == 1


def test_a_container_that_starts_again_goes_on_in_the_same_attempt() -> None:
    world = World()
    job_id = world.running()
    first = Trainer(world, job_id).through("model_loading").train(1, 10).checkpoint(10)
    second = Trainer(world, job_id).hello()
    assert (second.attempt, second.incarnation, second.sequence) == (1, 2, first.sequence)
    with pytest.raises(StaleAttempt, match="newer process"):
        first.send(first.point(11))
    second.stage("preprocessing", "active").stage("preprocessing").train(11, 20).stage("training")
    assert world.state(job_id) == "AwaitFinalization"
    assert sorted(world.points(job_id)) == list(range(1, 21))


def test_what_a_lost_pod_still_says_while_it_is_replaced_ends_no_wait() -> None:
    world = World()
    world.timings["recovery_backoff_seconds"] = 100
    job_id = world.running()
    old = Trainer(world, job_id).through("model_loading")
    world.cloud.stop(old.pod_id, PodStatus.EXITED)
    world.machine.advance(60)
    assert world.state(job_id) == "BackOff"
    old.error("trainer_crashed")
    assert world.state(job_id) == "BackOff"
    world.machine.advance(100)
    assert world.attempt(job_id).number == 2
    assert world.row(job_id).trainer_error is None
    with pytest.raises(StaleAttempt):
        old.send()


def test_a_recovery_while_the_provider_is_down_waits_in_the_queue_for_its_return() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").checkpoint(7)
    pod = world.pods(job_id)[0]
    world.machine.advance(29)
    world.cloud.stop(pod.id, PodStatus.EXITED)
    world.machine.advance(2)
    world.cloud.fail_lists = world.cloud.fail_creates_before_commit = world.cloud.fail_deletes = 10**6
    world.pass_minutes(20)
    assert world.job(job_id).status in {JobStatus.QUEUED, JobStatus.RECOVERING, JobStatus.PROVISIONING}
    world.cloud.fail_lists = world.cloud.fail_creates_before_commit = world.cloud.fail_deletes = 0
    world.pass_minutes(15)
    trainer = Trainer(world, job_id).hello()
    assert trainer.reply["checkpoint"]["step"] == 7
    assert len(world.pods(job_id)) == 1
