"""Renting a GPU from a provider that refuses, forgets to answer, and shows what it has late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from chalicelib.domain.errors import (
    ProviderAccessDenied,
    ProviderRefusedRequest,
    ProviderThrottled,
    StaleAttempt,
)
from chalicelib.domain.gpu import Pod, PodName, PodRequest, PodStatus, Tier
from chalicelib.domain.job import JobStatus

from tests.fakes_gpu import OFFERS, FakeGpuCloud
from tests.lifecycle.machine import LambdaDied
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import H100, World


def _nothing_free(cloud: FakeGpuCloud) -> None:
    cloud.without_capacity = {(offer.gpu_id, tier) for offer in OFFERS for tier in Tier}


def test_the_next_candidate_is_rented_when_the_first_is_taken() -> None:
    world = World()
    world.cloud.without_capacity = {(H100.type, Tier.SPOT)}
    job_id = world.running()

    assert [call.tier for call in world.cloud.create_calls] == [Tier.SPOT, Tier.ON_DEMAND]
    assert world.attempt(job_id).number == 1, "a refusal uses up no attempt"
    assert world.attempt(job_id).tier is Tier.ON_DEMAND
    assert "No capacity: H100 80GB (spot)" in world.said(job_id)
    Trainer(world, job_id).through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED


def test_no_capacity_at_all_sends_the_job_back_to_the_queue_and_frees_its_slot() -> None:
    world = World()
    _nothing_free(world.cloud)
    job_id = world.running()

    job = world.job(job_id)
    assert (job.status, job.capacity_misses) == (JobStatus.QUEUED, 1)
    assert job.not_before is not None
    assert (job.not_before - world.clock.now).total_seconds() == pytest.approx(60)
    assert world.jobs.slots().holders == ()
    assert world.dispatch() == []

    world.cloud.without_capacity = set()
    world.pass_minutes(2)
    assert (world.job(job_id).status, world.job(job_id).run) == (JobStatus.PROVISIONING, 2)
    Trainer(world, job_id).through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert world.told().count("job_started") == 1


def test_a_job_that_waits_for_capacity_lets_others_pass_and_keeps_its_place() -> None:
    world = World()
    world.limit = 1
    _nothing_free(world.cloud)
    first = world.running(1)
    world.cloud.without_capacity = set()
    world.clock.advance(1)
    second = world.submit(2)
    assert world.dispatch() == [second]
    world.clock.advance(120)
    third = world.submit(3)
    Trainer(world, second).through("finalization")
    assert world.job(first).status is JobStatus.PROVISIONING
    assert world.job(third).status is JobStatus.QUEUED


def test_after_sixty_misses_the_job_fails_and_says_so() -> None:
    world = World()
    _nothing_free(world.cloud)
    job_id = world.running()
    for _ in range(61):
        world.machine.advance(601)
        world.dispatch()
    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "no_capacity")
    assert world.jobs.slots().holders == ()


@pytest.mark.parametrize("fault", ["lose_create_replies", "fail_creates_after_commit"])
@pytest.mark.parametrize("hidden_for_lists", [0, 2])
def test_a_pod_whose_reply_was_lost_is_found_by_name_and_moved_into(
    fault: str, hidden_for_lists: int
) -> None:
    world = World()
    setattr(world.cloud, fault, 1)
    world.cloud.hide_new_pods_for_lists = hidden_for_lists
    job_id = world.running()

    assert len(world.cloud.create_calls) == 1
    assert len(world.pods(job_id)) == 1
    assert world.attempt(job_id).pod_id == world.pods(job_id)[0].id


def test_a_create_that_failed_before_it_took_effect_is_asked_again() -> None:
    world = World()
    world.cloud.fail_creates_before_commit = 1
    job_id = world.running()

    assert len(world.cloud.create_calls) == 2
    assert len(world.pods(job_id)) == 1
    assert [attempt.end for attempt in world.attempts.of_job(job_id)] == ["reply_lost", None]


def test_a_lost_pod_that_shows_up_later_is_removed_and_never_two_are_kept() -> None:
    world = World()
    world.cloud.lose_create_replies = 1
    world.cloud.hide_new_pods_for_lists = 5
    rent = world.cloud.create

    def shown_at_once_from_now_on(request: PodRequest) -> Pod:
        try:
            return rent(request)
        finally:
            world.cloud.hide_new_pods_for_lists = 0

    world.cloud.create = shown_at_once_from_now_on  # type: ignore[method-assign]
    job_id = world.running()
    assert len(world.pods(job_id)) == 2, "the first one is billed and in no list"
    kept = world.attempt(job_id).pod_id
    world.pass_minutes(3)

    assert [pod.id for pod in world.pods(job_id)] == [kept]


def test_a_lost_pod_that_calls_home_before_the_next_is_asked_for_is_told_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dies_before_the_second() -> Iterator[int]:
        yield 1
        raise LambdaDied("killed")

    world = World()
    world.cloud.lose_create_replies = 1
    world.cloud.hide_new_pods_for_lists = 5
    monkeypatch.setattr(world, "_fences", dies_before_the_second())
    job_id = world.running()
    assert [attempt.end for attempt in world.attempts.of_job(job_id)] == ["reply_lost"]
    with pytest.raises(StaleAttempt):
        Trainer(world, job_id).hello()
    assert world.job(job_id).status is JobStatus.PROVISIONING


def test_a_new_pod_that_no_list_shows_yet_is_ended_by_a_cancel_all_the_same() -> None:
    world = World()
    world.cloud.hide_new_pods_for_lists = 10
    job_id = world.running()
    world.cancel(job_id)

    assert world.pods(job_id) == []
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_a_lambda_that_dies_right_after_renting_finds_its_pod_again() -> None:
    world = World()
    rent = world.cloud.create
    died: list[str] = []

    def dies_once(request: PodRequest) -> Pod:
        pod = rent(request)
        if not died:
            died.append(pod.id)
            raise LambdaDied("killed")
        return pod

    world.cloud.create = dies_once  # type: ignore[method-assign]
    job_id = world.running()
    world.machine.advance(10)

    assert [pod.id for pod in world.pods(job_id)] == died
    assert world.state(job_id) == "AwaitAgent"


def test_a_throttled_provider_is_asked_again_later() -> None:
    world = World()
    world.cloud.refuse_creates_with = ProviderThrottled("429", 5)
    job_id = world.running()
    assert world.state(job_id) == "ProvisionPod"
    world.cloud.refuse_creates_with = None
    world.machine.advance(30)
    assert world.state(job_id) == "AwaitAgent"


def test_a_provider_that_is_down_sends_the_job_back_to_the_queue() -> None:
    """An outage is nobody's fault: the job waits for its end as it would for a GPU."""
    world = World()
    world.cloud.fail_creates_before_commit = 10**6
    world.cloud.fail_lists = 10**6
    job_id = world.running()
    world.machine.advance(400)
    assert world.job(job_id).status is JobStatus.QUEUED
    assert world.jobs.slots().holders == ()

    world.cloud.fail_creates_before_commit = world.cloud.fail_lists = 0
    world.pass_minutes(12)
    assert world.state(job_id) == "AwaitAgent"
    assert len(world.pods(job_id)) == 1
    Trainer(world, job_id).through("finalization")
    assert world.job(job_id).status is JobStatus.COMPLETED


def test_a_request_that_no_other_candidate_can_cure_fails_the_job_at_once() -> None:
    world = World()
    world.cloud.refuse_creates_with = ProviderRefusedRequest("422")
    job_id = world.running()

    job = world.job(job_id)
    assert (job.status, job.end_reason) == (JobStatus.FAILED, "provider_refused")
    assert len(world.cloud.create_calls) == 1
    assert world.told() == ["job_failed"]


def test_a_pool_that_is_closed_to_us_is_skipped() -> None:
    world = World()
    world.cloud.refuse_creates_with = ProviderAccessDenied("403")
    job_id = world.running()
    assert len(world.cloud.create_calls) > 1
    assert world.job(job_id).status is JobStatus.QUEUED


def test_a_pod_that_never_calls_home_is_replaced() -> None:
    world = World()
    job_id = world.running()
    first = world.pods(job_id)[0].id
    world.machine.advance(1100)
    assert world.attempt(job_id).number == 1
    world.machine.advance(300)
    assert world.attempt(job_id).number == 2
    assert [pod.id != first for pod in world.pods(job_id)] == [True]
    assert world.job(job_id).recoveries == 1


def test_a_pod_that_dies_before_its_first_word_is_replaced_within_two_minutes() -> None:
    world = World()
    job_id = world.running()
    world.cloud.stop(world.pods(job_id)[0].id, PodStatus.EXITED)
    world.machine.advance(120)
    assert world.attempt(job_id).number == 2


def test_no_gpu_is_rented_with_a_cap_that_earlier_gpus_used_up() -> None:
    world = World()
    job_id = world.running(spend_cap_usd=None)
    Trainer(world, job_id).through("model_loading")
    world.machine.advance(20)
    job = world.job(job_id)
    spent = world.attempt(job_id).cost_usd(world.clock.now)
    world.jobs.save(replace(job, spend_cap_usd=spent), expected=job)
    world.cloud.vanish(world.pods(job_id)[0].id)
    world.machine.advance(120)

    assert (world.job(job_id).status, world.job(job_id).end_reason) == (JobStatus.FAILED, "hard_cap")
    assert len(world.cloud.create_calls) == 1


def test_a_pod_name_says_whose_it_is() -> None:
    world = World()
    job_id = world.running()
    name = PodName.parse(world.pods(job_id)[0].name)
    assert name is not None
    assert (name.deployment, name.job_id, name.attempt) == ("test", job_id, 1)
