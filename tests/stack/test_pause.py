"""A job that is paused and goes on, for real."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack.test_provider_faults import LONG_EPOCHS, assert_curve_is_whole
from tests.stack.waiting import wait_until
from tests.stack.world import World

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_a_paused_job_goes_on_from_the_very_step(world: World, dataset: dict[str, Any]) -> None:
    job_id = world.api.start(dataset["id"], world.gpu(), "Paused once", epochs=LONG_EPOCHS)
    world.api.until_stage(job_id, "training")
    wait_until(lambda: world.api.job(job_id)["progress"]["step"] > 2, "some steps are done")
    world.api.post(f"/jobs/{job_id}/pause", {})

    def paused() -> dict[str, Any] | None:
        job = world.api.job(job_id)
        return job if job["status"] == "paused" else None

    job = wait_until(paused, "the job is paused")
    assert job["pause"]["own_checkpoint"] is True
    step = job["pause"]["step"]
    assert step > 2
    assert job["cost"]["accruing"] is False
    world.assert_nothing_left(job_id)

    world.api.post(f"/jobs/{job_id}/resume", {})
    job = world.api.until_completed(job_id)
    assert [attempt["attempt"] for attempt in job["attempts"]] == [1, 2]
    assert job["attempts"][1]["resumed_from_step"] == step
    # No step runs twice after a pause, so there is nothing to compare but the restored state itself.
    assert (job["certificate"]["resumed_from_step"], job["certificate"]["verdict"]) == (
        step,
        "state hash only",
    )
    assert_curve_is_whole(world, job)
    world.assert_nothing_left(job_id)
