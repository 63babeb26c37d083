"""A job from the queue to its model."""

from __future__ import annotations

from collections import Counter

import pytest
from chalicelib.domain.job import JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


@pytest.fixture
def world() -> World:
    return World()


def test_a_job_runs_through_every_stage_and_becomes_a_model(world: World) -> None:
    job_id = world.running()
    assert world.state(job_id) == "AwaitAgent"
    trainer = Trainer(world, job_id).hello()
    assert world.state(job_id) == "AwaitPreprocessing"
    world.machine.advance(20)
    for stage, awaited in [
        ("preprocessing", "AwaitModelLoading"),
        ("model_loading", "AwaitTraining"),
        ("training", "AwaitFinalization"),
    ]:
        trainer.stage(stage, "active").stage(stage)
        assert world.state(job_id) == awaited
        world.machine.advance(20)
    trainer.artifacts().stage("finalization")

    job = world.job(job_id)
    execution = world.machine.executions[f"{job_id}-r1"]
    assert (job.status, execution.status) == (JobStatus.COMPLETED, "SUCCEEDED")
    assert job.model_id is not None
    assert world.models.get(job.model_id) is not None
    assert world.pods(job_id) == []
    assert world.jobs.slots().holders == ()
    assert job.cost_usd == world.attempt(job_id).cost_usd(world.clock.now) > 0
    assert [record.amount_usd for record in world.costs.of_job(job_id)] == [job.cost_usd]
    assert Counter(world.told()) == {"job_started": 1, "job_completed": 1, "artifact_ready": 1}
    assert execution.trail == [
        "Begin", "ProvisionPod", "AwaitAgent", "AwaitPreprocessing", "AwaitModelLoading", "AwaitTraining",
        "AwaitFinalization", "TerminatePod", "WhatNow", "CollectArtifacts", "SettleJob", "DidJobFail", "JobEnded",
    ]  # fmt: skip


def test_points_are_neither_doubled_nor_missing(world: World) -> None:
    job_id = world.running()
    Trainer(world, job_id).through("finalization", steps=57)

    assert world.points(job_id) == list(range(1, 58))
    assert world.row(job_id).points == 57
    assert world.row(job_id).step == 57


def test_events_that_come_before_the_wait_are_seen_by_it(world: World) -> None:
    """All stages done in one batch: every later wait ends the moment it is entered."""
    job_id = world.running()
    trainer = Trainer(world, job_id).hello()
    trainer.artifacts()
    done = [
        trainer.event("stage", stage=name, state="completed", message="done", progress=1.0)
        for name in ("preprocessing", "model_loading", "training", "finalization")
    ]
    trainer.send(*done)

    assert world.job(job_id).status is JobStatus.COMPLETED


def test_the_freed_slot_goes_to_the_next_in_line(world: World) -> None:
    world.limit = 1
    first = world.submit(1)
    world.clock.advance(1)
    second = world.submit(2)
    assert world.dispatch() == [first]
    Trainer(world, first).through("finalization")

    assert world.job(second).status is JobStatus.PROVISIONING
    assert world.jobs.slots().holders == (second,)


def test_heartbeats_keep_a_wait_and_add_no_state(world: World) -> None:
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    before = len(world.machine.executions[f"{job_id}-r1"].trail)
    for _ in range(400):
        world.machine.advance(15)
        trainer.send()

    assert len(world.machine.executions[f"{job_id}-r1"].trail) == before
