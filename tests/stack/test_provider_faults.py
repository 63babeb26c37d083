"""The GPU provider takes spot GPUs away from the real trainer; what else it does wrong is in `scenarios.py`."""

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
