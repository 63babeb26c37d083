"""The GPU provider loses replies, has no capacity, and takes spot GPUs away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.slow]

LONG_EPOCHS = 12


def assert_curve_is_whole(world: World, job: dict[str, Any]) -> None:
    """Every step once, from the first to the last."""
    curve = world.api.curve(job["id"])
    trained = [
        step for step, loss in zip(curve["step"], curve["training_loss"], strict=True) if loss is not None
    ]
    assert trained == list(range(1, job["progress"]["total_steps"] + 1))


@pytest.mark.parametrize("fault", ["drop_reply", "error_500_after"])
def test_a_create_whose_reply_is_lost_makes_one_pod_and_a_model(
    world: World, dataset: dict[str, Any], fault: str
) -> None:
    world.arm(fault, operation="create", count=1)
    job_id = world.api.start(dataset["id"], world.gpu(), f"Reply lost: {fault}", epochs=1)
    job = world.api.until_completed(job_id)
    assert len(world.ledger(job_id)) == 1
    assert [attempt["status"] for attempt in job["attempts"]] == ["ended"]
    assert_curve_is_whole(world, job)
    world.assert_nothing_left(job_id)


def test_a_gpu_that_is_taken_gives_way_to_the_next_candidate(world: World, dataset: dict[str, Any]) -> None:
    world.arm("no_capacity", count=1)
    job_id = world.api.start(dataset["id"], world.gpu(), "Second choice", epochs=1)
    job = world.api.until_completed(job_id)
    assert len(world.ledger(job_id)) == 1
    said = [event["message"] for event in world.api.events(job_id)]
    assert len([message for message in said if message.startswith("No capacity:")]) == 1
    assert job["attempts"][-1]["pod_id"] == world.ledger(job_id)[0]["id"]


def test_a_job_without_any_gpu_goes_back_to_the_queue_and_completes_later(
    world: World, dataset: dict[str, Any]
) -> None:
    world.arm("no_capacity")
    job_id = world.api.start(dataset["id"], world.gpu(), "No GPU anywhere", epochs=1)

    def requeued() -> dict[str, Any] | None:
        job = world.api.job(job_id)
        return job if job["status"] == "queued" and job["attempts"] else None

    waiting = wait_until(requeued, "the job is back in the queue")
    assert "GPU" in waiting["status_sentence"]
    assert waiting["cost"]["accruing"] is False
    slots = world.aws("dynamodb").get_item(
        TableName=f"{world.outputs['deployment']}-settings", Key={"name": {"S": "slots"}}
    )
    assert job_id not in str(slots["Item"])
    assert world.ledger(job_id) == []
    world.disarm()

    def started() -> bool:
        world.invoke("DispatchQueue")
        return bool(world.api.job(job_id)["status"] != "queued")

    wait_until(started, "its turn comes again", 60)
    world.api.until_completed(job_id)
    assert len(world.ledger(job_id)) == 1


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_reclaimed_spot_gpu_costs_no_step(world: World, dataset: dict[str, Any], signal: str) -> None:
    job_id = world.api.start(dataset["id"], world.gpu(), f"Reclaimed with {signal}", epochs=LONG_EPOCHS)
    world.api.until_stage(job_id, "training")

    def has_checkpoint() -> bool:
        checkpoint = world.api.job(job_id)["checkpoint"]
        return checkpoint is not None and checkpoint["step"] > 0

    wait_until(has_checkpoint, "a checkpoint is stored")
    (pod,) = world.ledger(job_id)
    world.reclaim(pod["id"], signal)
    job = world.api.until_completed(job_id)
    assert [attempt["attempt"] for attempt in job["attempts"]] == [1, 2]
    assert job["attempts"][1]["resumed_from_step"] > 0
    assert len(world.ledger(job_id)) == 2
    assert_curve_is_whole(world, job)
    world.assert_nothing_left(job_id)
