"""A job that was stopped is tried again from its last checkpoint, for real, after the first one is gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.test_provider_faults import LONG_EPOCHS
from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.slow]

CONFIRMED = {"acknowledged": {"configuration": True, "cost": True, "budget": True}}


def test_a_retry_trains_on_from_a_copy_of_the_last_checkpoint(world: World, dataset: dict[str, Any]) -> None:
    stopped = world.api.start(dataset["id"], world.gpu(), "Stopped early", epochs=LONG_EPOCHS)
    world.api.until_stage(stopped, "training")
    wait_until(lambda: world.api.job(stopped)["checkpoint"] is not None, "a checkpoint is stored")
    world.api.cancel(stopped)
    ended = world.api.until_final(stopped)
    assert ended["status"] == "cancelled"
    step = ended["checkpoint"]["step"]

    offer = world.api.get(f"/jobs/{stopped}/retry")
    wish = next(option for option in offer["options"] if option["id"] == "continue")
    assert wish["from_step"] == step
    made = world.api.post(f"/jobs/{stopped}/retry", {**wish["request"], "start": CONFIRMED})
    assert made["origin"]["from_step"] == step
    gone = {"action": "delete", "job_ids": [stopped], "confirmed": True}
    assert world.api.post("/jobs/bulk", gone)["succeeded"] == 1

    job = world.api.until_completed(made["id"])
    assert job["attempts"][0]["resumed_from_step"] == step
    assert job["certificate"]["resumed_from_step"] == step
    curve = world.api.curve(made["id"])
    total = job["progress"]["total_steps"]
    assert curve["step"] == list(range(step + 1, total + 1))
    assert curve["training_loss"][-1] is not None
    world.assert_nothing_left(made["id"])
