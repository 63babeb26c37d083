"""Pods that an earlier run left behind: gone before anybody knew them, or still being ended."""

from __future__ import annotations

from typing import Any

import pytest
from chalicelib.domain import pausing
from chalicelib.domain.errors import ServiceUnavailable, WrongStatus
from chalicelib.domain.job import Job, JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


def test_a_pod_that_spoke_before_its_attempt_knew_it_and_is_gone_counts_as_lost() -> None:
    world = World()
    save = world.attempts.save

    def unsaved(after: Any, *, expected: Any) -> Any:
        if after.pod_id is not None:
            raise ServiceUnavailable("The database did not answer.")
        return save(after, expected=expected)

    world.attempts.save = unsaved  # type: ignore[method-assign]
    job_id = world.running()
    assert world.attempt(job_id).pod_id is None
    Trainer(world, job_id).through("preprocessing")
    assert world.job(job_id).status is JobStatus.RUNNING
    world.attempts.save = save  # type: ignore[method-assign]
    world.cloud.vanish(world.pods(job_id)[0].id)
    world.machine.advance(60)
    assert world.attempt(job_id).number == 2
    assert world.job(job_id).status is JobStatus.RECOVERING


def test_a_paused_job_whose_pod_is_still_being_ended_cannot_be_resumed_into_it() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 4)
    world.cloud.ignore_deletes = 1000
    world.pause(job_id)
    trainer.checkpoint(4, "pause").stopping("paused")
    world.machine.advance(120)
    paused = world.job(job_id)
    assert paused.cleanup_pending

    def resumed() -> Job:
        job, now = world.job(job_id), world.clock.now
        return pausing.resume(job, job.configuration.gpu, job.spend_cap_usd, job.created_by, 30, now)

    with pytest.raises(WrongStatus, match="in a minute"):
        resumed()
    world.cloud.ignore_deletes = 0
    world.pass_minutes(2)
    assert resumed().status is JobStatus.QUEUED
