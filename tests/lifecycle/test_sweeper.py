"""The net under the lifecycle: pods that outlive their deletion, strays, dead executions, lost starts."""

from __future__ import annotations

import pytest
from chalicelib.domain.errors import ProviderUnavailable, StaleWrite
from chalicelib.domain.gpu import PodRequest, Tier
from chalicelib.domain.job import Job, JobStatus

from tests.lifecycle.machine import LambdaDied
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import H100, World


def _strange_pod(world: World, name: str) -> str:
    return world.cloud.adopt_stranger(PodRequest(name, "image", H100.type, 1, Tier.SPOT, {})).id


def test_a_pod_that_ignores_its_deletion_goes_to_the_sweeper_and_the_job_settles_when_it_is_gone() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("model_loading")
    world.cloud.ignore_deletes = 25
    world.cancel(job_id)
    world.machine.advance(90)
    job = world.job(job_id)
    assert (job.status, job.cleanup_pending) == (JobStatus.CANCELLING, True)
    assert world.machine.executions[f"{job_id}-r1"].status == "SUCCEEDED"
    assert [each.pod_id for each in world.terminations.open()] == [world.attempt(job_id).pod_id]
    early = job.cost_usd
    world.pass_minutes(3)
    assert world.job(job_id).run == 1, "a run that waits for its clean-up is not restarted"

    world.cloud.ignore_deletes = 0
    world.pass_minutes(2)
    job = world.job(job_id)
    assert (job.status, job.cleanup_pending) == (JobStatus.CANCELLED, False)
    assert world.pods(job_id) == []
    assert world.terminations.open() == []
    assert world.jobs.slots().holders == ()
    assert world.told().count("job_cancelled") == 1
    assert early is not None
    assert job.cost_usd == world.attempt(job_id).cost_usd(world.clock.now) > early


def test_operations_are_alerted_once_about_a_pod_that_does_not_go() -> None:
    world = World()
    job_id = world.running()
    world.cloud.ignore_deletes = 10**6
    world.cancel(job_id)
    world.pass_minutes(15)
    assert [alert["subject"] for alert in world.notifier.alerts] == [
        f"GPU still billed: {world.attempt(job_id).pod_name}"
    ]


def test_operations_are_alerted_once_about_a_stray_that_does_not_go() -> None:
    world = World()
    world.cloud.ignore_deletes = 10**6
    _strange_pod(world, "test-job_00000000000000zz-a1-00000000")
    world.pass_minutes(15)
    assert len(world.notifier.alerts) == 1


@pytest.mark.parametrize(
    "name",
    ["test-job_00000000000000zz-a1-00000000", "test-{job}-a7-00000000", "test-{job}-a1-ffffffff"],
)
def test_a_stray_pod_of_ours_is_removed_and_counted(name: str) -> None:
    world = World()
    job_id = world.running()
    mine = world.pods(job_id)[0].id
    _strange_pod(world, name.format(job=job_id))
    assert len(world.sweep().leaked_pods) == 1
    assert list(world.cloud.billed_pods) == [mine]
    world.pass_minutes(1)
    assert world.terminations.open() == []


@pytest.mark.parametrize(
    "name",
    [
        "somebody-elses-pod",
        "test2-job_0000000000000001-a1-00000000",
        "test-job_0000000000000001-notes",
        "test-job_0000000000000001-a1-00000000-copy",
        "my-test-job_0000000000000001-a1-00000000",
    ],
)
def test_a_pod_that_is_not_ours_is_never_touched(name: str) -> None:
    world = World()
    pod_id = _strange_pod(world, name)
    world.pass_minutes(3)
    assert pod_id in world.cloud.billed_pods
    assert world.cloud.delete_calls == []


def test_a_second_pod_of_the_same_name_goes_and_the_known_one_stays() -> None:
    world = World()
    job_id = world.running()
    kept = world.pods(job_id)[0]
    _strange_pod(world, kept.name)
    world.pass_minutes(2)
    assert [pod.id for pod in world.pods(job_id)] == [kept.id]
    assert world.attempt(job_id).ended_at is None


def test_a_list_that_fails_makes_the_sweeper_do_nothing() -> None:
    world = World()
    _strange_pod(world, "test-job_00000000000000zz-a1-00000000")
    world.cloud.fail_lists = 1
    with pytest.raises(ProviderUnavailable):
        world.sweep()
    assert world.cloud.delete_calls == []


def test_one_pod_that_cannot_be_deleted_does_not_keep_the_others_waiting() -> None:
    world = World()
    _strange_pod(world, "test-job_00000000000000aa-a1-00000000")
    second = _strange_pod(world, "test-job_00000000000000bb-a1-00000000")
    world.machine.lose_starts = 1
    job_id = world.running()
    world.clock.advance(60)
    world.cloud.fail_deletes = 1
    assert world.sweep().restarted_runs == (job_id,)
    assert second not in world.cloud.billed_pods


@pytest.mark.parametrize("last", ["", "hello", "model_loading"])
def test_a_dead_execution_is_followed_by_another_that_moves_into_the_same_pod(last: str) -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id)
    if last:
        trainer.through(last)
    world.machine.kill(job_id, 1)
    world.clock.advance(40)
    if last:
        trainer.send()
    world.clock.advance(10)
    assert world.sweep().restarted_runs == (job_id,)

    assert world.job(job_id).run == 2
    assert [pod.id for pod in world.pods(job_id)] == [trainer.pod_id]
    trainer.through("finalization") if last in {"", "hello"} else trainer.stage("training").artifacts().stage(
        "finalization"
    )
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert len(world.cloud.create_calls) == 1


def test_an_execution_that_died_after_its_ending_was_written_never_trains_twice() -> None:
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("training").artifacts()
    world.cloud.ignore_deletes = 1
    trainer.stage("finalization")
    assert world.state(job_id) == "TerminatePod"
    world.machine.kill(job_id, 1)
    world.pass_minutes(2)

    assert world.job(job_id).status is JobStatus.COMPLETED
    assert world.job(job_id).model_id is not None
    assert len(world.cloud.create_calls) == 1
    assert world.pods(job_id) == []


def test_a_start_that_was_lost_is_made_good_within_two_minutes() -> None:
    world = World()
    world.machine.lose_starts = 1
    job_id = world.running()
    assert world.cloud.create_calls == []
    world.pass_minutes(1)
    assert (world.job(job_id).run, world.state(job_id)) == (2, "AwaitAgent")


def test_an_execution_that_was_replaced_touches_nothing_any_more() -> None:
    """The service said it was dead, and it was only slow."""
    world = World()
    job_id = world.running()
    trainer = Trainer(world, job_id).through("model_loading")
    old = world.machine.executions[f"{job_id}-r1"]
    old.status = "ABORTED"
    world.clock.advance(50)
    world.sweep()
    old.status = "RUNNING"
    world.machine.advance(45)
    assert old.status == "SUCCEEDED"
    assert [pod.id for pod in world.pods(job_id)] == [trainer.pod_id]
    assert world.job(job_id).status is JobStatus.RUNNING


def test_two_dispatchers_at_once_give_one_slot_to_one_job() -> None:
    world = World()
    world.limit = 1
    first, second = world.submit(1), world.submit(2)
    save = world.jobs.save_with_slots
    others: list[list[str]] = []

    def overtaken(after, *, expected, slots, expected_slots):  # type: ignore[no-untyped-def]
        if not others:
            others.append([])
            others[0] = world.dispatch()
        return save(after, expected=expected, slots=slots, expected_slots=expected_slots)

    world.jobs.save_with_slots = overtaken  # type: ignore[method-assign]
    mine = world.dispatch()
    assert (others, mine) == ([[first]], [])
    assert world.jobs.slots().holders == (first,)
    assert world.job(second).status is JobStatus.QUEUED
    assert len(world.cloud.create_calls) == 1


def test_settling_twice_settles_once() -> None:
    world = World()
    job_id = world.running()
    Trainer(world, job_id).through("finalization")
    before = world.job(job_id), world.said(job_id), len(world.costs.rows)
    world.clock.advance(500)
    outcome = world.settle(job_id, 1)
    assert outcome["status"] == "completed"
    assert (world.job(job_id), world.said(job_id), len(world.costs.rows)) == before


def test_two_settlements_at_once_end_the_job_once() -> None:
    world = World()
    job_id = world.running()
    save = world.jobs.save_with_slots
    raced: list[bool] = []

    def overtaken(after, *, expected, slots, expected_slots):  # type: ignore[no-untyped-def]
        if after.is_final and not raced:
            raced.append(True)
            world.settle(job_id, 1)
            raise StaleWrite("overtaken")
        return save(after, expected=expected, slots=slots, expected_slots=expected_slots)

    world.jobs.save_with_slots = overtaken  # type: ignore[method-assign]
    Trainer(world, job_id).error("diverged")
    assert world.job(job_id).end_reason == "diverged"
    assert len([line for line in world.said(job_id) if "→ failed" in line]) == 1


def test_a_settlement_of_an_older_run_changes_nothing() -> None:
    world = World()
    job_id = world.running()
    world.machine.kill(job_id, 1)
    world.pass_minutes(1)
    before = world.job(job_id)
    assert world.settle(job_id, 1)["failed"] is False
    assert world.job(job_id) == before


def test_a_settlement_that_died_before_it_told_anybody_is_told_by_its_repetition() -> None:
    world = World()
    job_id = world.running()
    tell, died = world.tell, [True]

    def dies_once(kind: str, job: Job) -> None:
        if died:
            died.pop()
            raise LambdaDied("killed")
        tell(kind, job)

    world.tell = dies_once  # type: ignore[method-assign]
    Trainer(world, job_id).error("diverged")
    world.machine.advance(30)
    assert world.told() == ["job_failed"]
    world.settle(job_id, 1)
    assert world.told() == ["job_failed"]
