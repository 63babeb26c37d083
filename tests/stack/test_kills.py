"""The machine dies: what was acknowledged is there after the next start, and training goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.test_provider_faults import LONG_EPOCHS, assert_curve_is_whole
from tests.stack.waiting import wait_until
from tests.stack.world import World, build_package, example_rows

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack that may be killed."""
    build_package()
    world = World(tmp_path_factory.mktemp("killed") / "home").start()
    yield world
    world.stop()


@pytest.fixture(scope="module")
def own_dataset(own: World) -> dict[str, Any]:
    """Its dataset."""
    return own.api.upload("Survives", example_rows())


def _in_training(world: World, dataset_id: str, name: str) -> str:
    """A job with a stored checkpoint, and steps to go."""
    job_id = world.api.start(dataset_id, world.gpu(), name, epochs=LONG_EPOCHS)
    world.api.until_stage(job_id, "training")
    wait_until(lambda: world.api.job(job_id)["checkpoint"], "a checkpoint is stored")
    return job_id


def _picked_up(world: World, job_id: str) -> None:
    """The sweeper of every minute gives a job whose execution died a new run; it may do so now."""

    def next_run() -> bool:
        world.invoke("SweepPods")
        job = world.api.job(job_id)
        return bool(job["run"] > 1 or job["is_final"])

    wait_until(next_run, "the job has a new run", 90)


def test_a_killed_machine_loses_no_word_and_no_step(own: World, own_dataset: dict[str, Any]) -> None:
    job_id = _in_training(own, own_dataset["id"], "Power cut")
    own.api.patch(f"/jobs/{job_id}", {"notes": "written right before the power went"})
    own.close()
    own.stack.kill9(include_pods=True)
    own.start()
    job = own.api.job(job_id)
    assert job["notes"] == "written right before the power went"
    assert not job["is_final"]
    stored = job["checkpoint"]["step"]
    _picked_up(own, job_id)
    job = own.api.until_completed(job_id)
    assert job["attempts"][-1]["resumed_from_step"] >= stored
    assert_curve_is_whole(own, job)
    own.assert_nothing_left(job_id)


def test_a_killed_backend_finds_its_living_pod_again(own: World, own_dataset: dict[str, Any]) -> None:
    job_id = _in_training(own, own_dataset["id"], "Backend down")
    (before,) = own.ledger(job_id)
    own.close()
    own.stack.kill9()
    own.start()
    (after,) = own.ledger(job_id)
    assert (after["id"], after["pid"]) == (before["id"], before["pid"])
    _picked_up(own, job_id)
    job = own.api.until_completed(job_id)
    assert len(own.ledger(job_id)) == 1
    assert len(job["attempts"]) == 1
    assert_curve_is_whole(own, job)
    own.assert_nothing_left(job_id)
