"""Pods that are rented and paid for, and whose trainer does not get going."""

from __future__ import annotations

from chalicelib.domain.job import JobStatus

from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World


def test_a_trainer_that_dies_again_and_again_without_a_word_ends_the_run() -> None:
    """The provider restarts a container that exits, for ever and for money."""
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading").stage("training", "active").train(1, 5)
    for _ in range(3):
        Trainer(world, job_id).hello()
    assert world.job(job_id).status is JobStatus.RUNNING
    further = Trainer(world, job_id)
    further.incarnation, further.sequence = 4, world.row(job_id).next_sequence
    further.train(6, 7)
    for _ in range(4):
        assert world.job(job_id).status is JobStatus.RUNNING
        Trainer(world, job_id).hello()

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "trainer_crashed")
    assert "without getting past step 7" in job.end_sentence
    assert world.pods(job_id) == []


def test_a_pod_that_does_not_start_says_what_the_provider_s_log_says() -> None:
    world = World()
    job_id = world.running()
    pod = world.pods(job_id)[0]
    world.cloud.log_lines[pod.id] = (
        "[system] pulling",
        "[system] failed to pull image: layer does not exist",
    )
    world.machine.advance(280)
    assert world.attempt(job_id).number == 1
    world.machine.advance(60)
    assert world.attempt(job_id).number == 2
    assert any("could not fetch the trainer's image" in line for line in world.said(job_id))
    assert world.cloud.billed_pods.keys() == {world.pods(job_id)[0].id}


def test_an_image_that_can_start_nowhere_fails_the_job_with_the_reason() -> None:
    world = World()
    job_id = world.running()
    world.cloud.log_lines[world.pods(job_id)[0].id] = ("[system] exec format error",)
    world.machine.advance(400)
    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "cannot_start")
    assert "linux/amd64" in job.end_sentence
    assert world.pods(job_id) == []


def test_a_pod_that_never_calls_home_is_replaced_after_its_time_with_its_log_kept() -> None:
    world = World()
    job_id = world.running()
    world.cloud.log_lines[world.pods(job_id)[0].id] = ("[system] still creating the container",)
    world.machine.advance(1260)
    assert world.attempt(job_id).number == 2
    assert "The GPU did not start: [system] still creating the container" in world.said(job_id)


def test_a_pod_that_never_calls_home_is_looked_at_before_its_wait_is_given_up() -> None:
    """The sweeper looks at every wait, also in the seconds between the deadline and the next look at the pod."""
    world = World()
    world.timings["agent_poll_seconds"] = 70
    job_id = world.running()
    for _ in range(1400 // 5):
        world.machine.advance(5)
        world.sweep()
    job = world.job(job_id)
    assert (job.status, job.end_reason, job.attempt) == (JobStatus.RECOVERING, None, 2)
