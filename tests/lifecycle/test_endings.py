"""Every other way a run ends: what the trainer reports, money, time, pauses, and results that are not there."""

from __future__ import annotations

from decimal import Decimal

import pytest
from chalicelib.domain.errors import ProviderRefusedRequest
from chalicelib.domain.gpu import PodStatus
from chalicelib.domain.job import JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

REASONS = (
    "out_of_memory", "bad_dataset", "bad_configuration", "model_unavailable", "diverged", "upload_failed",
    "checkpoint_mismatch", "trainer_crashed", "disk_full",
)  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_what_the_trainer_reports_is_what_the_user_reads(reason: str) -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("preprocessing").error(reason, "Layer 7 did not fit.")

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, reason)
    assert job.end_sentence.endswith("Layer 7 did not fit.")
    assert world.pods(job_id) == []
    assert world.told() == ["job_failed"] or set(world.told()) == {"job_started", "job_failed"}
    assert world.machine.executions[f"{job_id}-r1"].error == "TrainingFailed"


def test_a_step_s_own_words_reach_the_user_without_the_json_around_them() -> None:
    world = World()
    world.cloud.refuse_creates_with = ProviderRefusedRequest("There is no such image.")
    job_id = world.running()

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "provider_refused")
    assert job.end_sentence == "The GPU provider refused the request. There is no such image."


def test_near_the_cap_the_trainer_is_told_to_finish_and_the_job_completes() -> None:
    world = World()
    job_id = world.running(spend_cap_usd=Decimal("1.00"))
    trainer = Trainer(world, job_id).through("model_loading")
    rate = world.attempt(job_id).rate_usd_per_hour
    while trainer.send().command == "continue":
        world.machine.advance(15)
    spent = world.attempt(job_id).cost_usd(world.clock.now)
    assert Decimal("1.00") - rate / 6 <= spent < Decimal("0.60")
    assert trainer.command == "finish"
    trainer.stage("training").artifacts(ended_by="finish").stage("finalization")

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.COMPLETED, "spend_cap")
    assert job.model_id is not None
    assert job.cost_usd is not None
    assert job.cost_usd < Decimal("1.00")


def test_at_the_cap_itself_the_gpu_is_released_whatever_the_trainer_does() -> None:
    world = World()
    job_id = world.running(spend_cap_usd=Decimal("1.00"))
    trainer = Trainer(world, job_id).through("model_loading")
    while world.job(job_id).status is JobStatus.RUNNING:
        world.machine.advance(15)
        trainer.send()

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "hard_cap")
    assert world.pods(job_id) == []
    assert job.cost_usd is not None
    assert Decimal("1.00") <= job.cost_usd < Decimal("1.02")


def test_the_sweeper_ends_a_silent_pod_at_its_cap_too() -> None:
    world = World()
    world.timings |= {"silent_pod_deadline_seconds": 10**6, "provisioning_deadline_seconds": 10**6}
    job_id = world.running(spend_cap_usd=Decimal("1.00"))
    world.pass_minutes(40)

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "hard_cap")
    assert world.pods(job_id) == []
    assert job.cost_usd is not None
    assert job.cost_usd < Decimal("1.10")


def test_a_price_that_rises_while_it_runs_brings_the_cap_nearer() -> None:
    world = World()
    job_id = world.running(spend_cap_usd=Decimal("2.00"))
    trainer = Trainer(world, job_id).through("model_loading")
    world.cloud.set_price(trainer.pod_id, Decimal("10.00"))
    minutes = 0
    while world.job(job_id).status is JobStatus.RUNNING and minutes < 60:
        trainer.send()
        world.pass_minutes(1)
        minutes += 1
    job = world.job(job_id)
    assert job.end_reason == "hard_cap"
    assert minutes < 15
    assert len(world.attempt(job_id).rates) == 2
    assert job.cost_usd is not None
    assert job.cost_usd < Decimal("2.40")


def test_a_stage_that_takes_longer_than_its_deadline_ends_the_run() -> None:
    world = World()
    job_id = world.running(spend_cap_usd=None)
    trainer = Trainer(world, job_id).hello()
    while world.job(job_id).status is not JobStatus.FAILED:
        world.machine.advance(20)
        trainer.send()
    assert world.job(job_id).end_reason == "deadline_passed"
    assert world.pods(job_id) == []
    assert 7200 <= world.attempt(job_id).seconds(world.clock.now) < 7300


def test_a_pause_waits_for_its_checkpoint_and_frees_gpu_and_slot() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 8)
    world.pause(job_id)
    assert world.state(job_id) == "AwaitCheckpoint"
    assert trainer.send().command == "pause"
    trainer.checkpoint(8, "pause").stopping("paused")

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.PAUSED, None)
    assert job.checkpoint is not None
    assert job.checkpoint.step == 8
    assert world.pods(job_id) == []
    assert world.jobs.slots().holders == ()
    assert world.machine.executions[f"{job_id}-r1"].status == "SUCCEEDED"


def test_settling_a_paused_run_once_more_leaves_it_paused() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active")
    world.pause(job_id)
    trainer.stopping("paused")
    world.settle(job_id, 1)
    assert world.job(job_id).status is JobStatus.PAUSED


def test_a_pause_whose_checkpoint_never_comes_ends_at_its_deadline() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active")
    world.pause(job_id)
    for _ in range(39):
        world.machine.advance(15)
        trainer.send()
    assert world.job(job_id).status is JobStatus.PAUSING
    world.machine.advance(30)
    assert world.job(job_id).status is JobStatus.PAUSED


def test_a_cancel_beats_a_pause() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").stage("training", "active")
    world.pause(job_id)
    world.cancel(job_id)
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_a_paused_job_whose_pod_outlives_its_deletion_stays_paused() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active")
    world.cloud.ignore_deletes = 30
    world.pause(job_id)
    trainer.stopping("paused")
    world.machine.advance(120)
    assert world.job(job_id).status is JobStatus.PAUSED
    world.cloud.ignore_deletes = 0
    world.pass_minutes(3)
    assert world.pods(job_id) == []
    job = world.job(job_id)
    assert (job.status, job.cleanup_pending) == (JobStatus.PAUSED, False)
    assert job.cost_usd == world.attempt(job_id).cost_usd(world.clock.now)


@pytest.mark.parametrize("spoil", ["missing", "differs", "never announced"])
def test_a_result_that_is_not_in_storage_makes_no_model(spoil: str) -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training")
    if spoil != "never announced":
        trainer.artifacts(stored=spoil == "differs")
    if spoil == "differs":
        key = f"jobs/{job_id}/attempts/1/artifacts/adapter_model.safetensors"
        world.files.objects[key] = b"weightz"
    trainer.stage("finalization")

    job = world.job(job_id)
    assert (job.status, job.end_reason, job.model_id) == (JobStatus.FAILED, "artifacts_incomplete", None)
    assert world.models.rows == {}
    assert world.pods(job_id) == []


def test_a_checkpoint_that_is_not_in_storage_moves_no_pointer() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").checkpoint(5)
    trainer.checkpoint(10, stored=False)
    checkpoint = world.job(job_id).checkpoint
    assert checkpoint is not None
    assert checkpoint.step == 5
    assert any("step 10 not used" in line for line in world.said(job_id))


def test_a_finished_run_is_kept_when_the_provider_cannot_be_reached_to_end_its_pod() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training").artifacts()
    world.cloud.fail_lists = world.cloud.fail_deletes = 10**6
    trainer.stage("finalization")
    world.machine.advance(300)
    job = world.job(job_id)
    assert (job.status, job.cleanup_pending) == (JobStatus.COMPLETED, True)
    assert len(world.pods(job_id)) == 1

    world.cloud.fail_lists = world.cloud.fail_deletes = 0
    world.pass_minutes(2)
    job = world.job(job_id)
    assert world.pods(job_id) == []
    assert (job.status, job.cleanup_pending, world.terminations.open()) == (JobStatus.COMPLETED, False, [])
    assert job.cost_usd == world.attempt(job_id).cost_usd(world.clock.now)
    assert world.costs.of_job(job_id)[0].amount_usd == job.cost_usd
    assert world.told().count("job_completed") == 1


def test_a_pod_that_stops_by_itself_after_the_last_event_changes_nothing() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training").artifacts()
    world.cloud.stop(trainer.pod_id, PodStatus.EXITED)
    trainer.stage("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
