"""Cancelling at every point: the GPU is gone within a minute, what was learned stays, the next in line starts."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.slow]

CANCEL_SECONDS = 60
SLOTS = 3


def _cancel_and_check(world: World, job_id: str) -> dict[str, Any]:
    began = time.monotonic()
    world.api.cancel(job_id)
    job = world.api.until_final(job_id, CANCEL_SECONDS)
    assert time.monotonic() - began <= CANCEL_SECONDS
    assert (job["status"], job["end_reason"]) == ("cancelled", "user_cancelled")
    assert world.listed_pods(job_id) == []
    assert {pod["status"] for pod in world.ledger(job_id)} <= {"TERMINATED"}
    assert job["cost"]["accruing"] is False
    assert world.until_execution_ended(f"{job_id}-r{job['run']}") in {"SUCCEEDED", "FAILED"}
    return job


def test_a_job_cancelled_while_its_gpu_does_not_come_frees_its_slot_for_the_next_in_line(
    world: World, dataset: dict[str, Any]
) -> None:
    world.arm("stuck_provisioning")
    gpu = world.gpu()
    holders = [world.api.start(dataset["id"], gpu, f"Holder {n}", epochs=1) for n in range(SLOTS)]
    for job_id in holders:
        wait_until(partial(world.ledger, job_id), f"a pod was rented for {job_id}")
    waiting = world.api.start(dataset["id"], gpu, "Next in line", epochs=1)
    assert world.api.job(waiting)["status"] == "queued"
    _cancel_and_check(world, holders[0])
    wait_until(lambda: world.api.job(waiting)["status"] == "provisioning", "the next in line starts")
    for job_id in [*holders[1:], waiting]:
        world.api.cancel(job_id)
    for job_id in [*holders[1:], waiting]:
        assert world.api.until_final(job_id)["status"] == "cancelled"
        world.assert_nothing_left(job_id)


def test_a_job_cancelled_while_its_model_loads_ends_with_its_process(
    world: World, dataset: dict[str, Any]
) -> None:
    job_id = world.api.start(dataset["id"], world.gpu(), "Cancelled at the start", epochs=20)

    def begun() -> bool:
        job = world.api.job(job_id)
        return job["status"] == "running" and job["stage"] in {"preprocessing", "model_loading"}

    wait_until(begun, "the trainer prepares")
    _cancel_and_check(world, job_id)
    world.assert_nothing_left(job_id)


def test_a_job_cancelled_in_training_keeps_the_curve_it_had(world: World, dataset: dict[str, Any]) -> None:
    job_id = world.api.start(dataset["id"], world.gpu(), "Cancelled in training", epochs=20)
    world.api.until_stage(job_id, "training")
    wait_until(lambda: world.api.job(job_id)["progress"]["step"] >= 5, "five steps were trained")
    before = world.api.curve(job_id)
    job = _cancel_and_check(world, job_id)
    world.assert_nothing_left(job_id)
    after = world.api.curve(job_id)
    assert after["step"][: len(before["step"])] == before["step"]
    assert len(after["step"]) >= 5
    assert len(after["step"]) < job["progress"]["total_steps"]
    assert job["cancellation"]["reason"] == "wrong_configuration"
