"""What every `GpuCloud` does, the real client and the fake alike."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from chalicelib.domain.errors import (
    NoCapacity,
    ProviderBalanceTooLow,
    ProviderReplyLost,
    ProviderUnavailable,
)
from chalicelib.domain.gpu import Pod, PodRequest, PodStatus, Tier

from tests.backend.adapters.runpod.worlds import World

L40S = "NVIDIA L40S"
_NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """A pod name no other test uses."""
    return f"contract-{next(_NUMBERS):04d}x"


def request_for(name: str, gpu_id: str = L40S, tier: Tier = Tier.SPOT, count: int = 1) -> PodRequest:
    return PodRequest(name, "registry.example/trainer:1", gpu_id, count, tier, {"A": "1"})


def running(world: World, name: str) -> Pod:
    """A pod whose container is up."""
    made = world.cloud.create(request_for(name))

    def is_up() -> bool:
        pod = world.cloud.get(made.id)
        return pod is not None and pod.status is PodStatus.RUNNING and pod.uptime_seconds is not None

    world.wait(is_up, "the pod runs")
    pod = world.cloud.get(made.id)
    assert pod is not None
    return pod


def test_a_created_pod_says_what_was_asked_for_and_what_it_costs(world: World, name: str) -> None:
    pod = world.cloud.create(request_for(name, count=2))
    assert (pod.name, pod.gpu_id, pod.gpu_count, pod.tier) == (name, L40S, 2, Tier.SPOT)
    assert pod.status is PodStatus.PROVISIONING
    assert pod.is_billed
    assert pod.price_usd_per_hour == Decimal("1.58")
    assert pod.created_at is not None
    assert pod.created_at.tzinfo is not None


def test_a_pod_reaches_running_with_an_uptime(world: World, name: str) -> None:
    pod = running(world, name)
    assert pod.started_at is not None
    assert pod.data_center_id


def test_listing_shows_only_names_with_the_prefix(world: World, name: str) -> None:
    mine = world.cloud.create(request_for(f"{name}-a1"))
    world.cloud.create(request_for(f"other-{name}-a1"))
    assert [pod.id for pod in world.cloud.list(f"{name}-")] == [mine.id]


def test_names_are_not_unique_so_a_second_create_rents_a_second_pod(world: World, name: str) -> None:
    first, second = world.cloud.create(request_for(name)), world.cloud.create(request_for(name))
    assert {pod.id for pod in world.cloud.list(name)} == {first.id, second.id}


def test_a_deleted_pod_is_gone_and_deleting_it_again_is_success(world: World, name: str) -> None:
    pod = running(world, name)
    world.cloud.delete(pod.id)
    world.cloud.delete(pod.id)
    assert world.cloud.get(pod.id) is None
    assert world.cloud.list(name) == ()


def test_an_unknown_pod_is_none_and_its_deletion_is_success(world: World) -> None:
    assert world.cloud.get("nosuchpod") is None
    world.cloud.delete("nosuchpod")


def test_no_capacity_is_per_gpu_and_tier(world: World, name: str) -> None:
    world.take_capacity_of(L40S, Tier.SPOT)
    with pytest.raises(NoCapacity) as refusal:
        world.cloud.create(request_for(name))
    assert refusal.value.details["recognised"] is True
    assert world.cloud.create(request_for(name, tier=Tier.ON_DEMAND)).tier is Tier.ON_DEMAND
    assert len(world.cloud.list(name)) == 1


def test_a_gpu_type_nobody_knows_is_refused_without_a_recognised_cause(world: World, name: str) -> None:
    with pytest.raises(NoCapacity) as refusal:
        world.cloud.create(request_for(name, gpu_id="NVIDIA Imaginary"))
    assert refusal.value.details["recognised"] is False


def test_a_tier_that_does_not_carry_the_gpu_has_no_capacity(world: World, name: str) -> None:
    with pytest.raises(NoCapacity):
        world.cloud.create(request_for(name, gpu_id="NVIDIA L4", tier=Tier.SPOT))


def test_an_empty_account_rents_nothing(world: World, name: str) -> None:
    world.empty_the_account()
    with pytest.raises(ProviderBalanceTooLow):
        world.cloud.create(request_for(name))
    assert world.cloud.list(name) == ()


def test_a_lost_reply_leaves_a_pod_that_is_found_by_name(world: World, name: str) -> None:
    world.lose_next_create_reply()
    with pytest.raises(ProviderReplyLost):
        world.cloud.create(request_for(name))
    (found,) = world.cloud.list(name)
    assert found.is_billed


def test_a_server_error_after_the_commit_leaves_a_pod_that_is_found_by_name(world: World, name: str) -> None:
    world.fail_next_create_after_commit()
    with pytest.raises(ProviderReplyLost):
        world.cloud.create(request_for(name))
    assert len(world.cloud.list(name)) == 1


def test_a_server_error_before_the_commit_looks_the_same_and_leaves_nothing(world: World, name: str) -> None:
    world.fail_next_create_before_commit()
    with pytest.raises(ProviderReplyLost):
        world.cloud.create(request_for(name))
    assert world.cloud.list(name) == ()


def test_a_new_pod_may_be_missing_from_the_first_lists(world: World, name: str) -> None:
    world.hide_next_pod_from_lists(2)
    pod = world.cloud.create(request_for(name))
    assert [len(world.cloud.list(name)) for _ in range(3)] == [0, 0, 1]
    assert world.cloud.get(pod.id) is not None


def test_a_deleted_pod_may_stay_in_lists_for_a_while(world: World, name: str) -> None:
    pod = running(world, name)
    world.keep_next_deleted_pod_in_lists(2)
    world.cloud.delete(pod.id)
    assert world.cloud.get(pod.id) is None
    assert [len(world.cloud.list(name)) for _ in range(3)] == [1, 1, 0]


def test_a_delete_may_be_accepted_and_ignored(world: World, name: str) -> None:
    pod = running(world, name)
    world.ignore_next_delete()
    world.cloud.delete(pod.id)
    still = world.cloud.get(pod.id)
    assert still is not None
    assert still.is_billed
    world.cloud.delete(pod.id)
    assert world.cloud.get(pod.id) is None


def test_a_broken_list_raises_instead_of_showing_nothing(world: World, name: str) -> None:
    world.cloud.create(request_for(name))
    world.break_lists()
    with pytest.raises(ProviderUnavailable):
        world.cloud.list(name)
    world.repair()
    assert len(world.cloud.list(name)) == 1


def test_a_pod_that_vanishes_is_neither_found_nor_listed(world: World, name: str) -> None:
    pod = running(world, name)
    world.make_vanish(pod.id)
    assert world.cloud.get(pod.id) is None
    assert world.cloud.list(name) == ()


def test_a_reclaimed_pod_is_exited_costs_nothing_more_and_must_still_be_deleted(
    world: World, name: str
) -> None:
    pod = running(world, name)
    world.reclaim(pod.id)
    left = world.cloud.get(pod.id)
    assert left is not None
    assert left.status is PodStatus.EXITED
    assert not left.is_billed
    assert left.price_usd_per_hour == 0
    world.cloud.delete(pod.id)
    assert world.cloud.list(name) == ()


def test_the_bill_is_lifetime_times_rate_and_stays_after_the_end(world: World, name: str) -> None:
    pod = running(world, name)
    world.cloud.delete(pod.id)
    bill = world.cloud.billing(pod.id)
    assert bill is not None
    assert Decimal(0) < bill.total_usd < pod.price_usd_per_hour
    assert world.cloud.billing(pod.id) == bill


def test_a_pod_that_never_was_has_no_bill_and_no_logs(world: World) -> None:
    assert world.cloud.billing("nosuchpod") is None
    assert world.cloud.logs("nosuchpod") == ()


def test_logs_say_what_the_host_did(world: World, name: str) -> None:
    pod = running(world, name)
    assert any("create container registry.example/trainer:1" in line for line in world.cloud.logs(pod.id))


def test_the_catalogue_prices_only_the_tiers_that_carry_the_gpu(world: World) -> None:
    offers = {offer.gpu_id: offer for offer in world.cloud.catalogue()}
    assert offers[L40S].price_usd_per_hour == {Tier.SPOT: Decimal("0.79"), Tier.ON_DEMAND: Decimal("0.86")}
    assert offers["NVIDIA L4"].price_usd_per_hour[Tier.SPOT] is None
    assert offers["NVIDIA L4"].max_count[Tier.SPOT] == 0
    assert offers[L40S].memory_gb == 48
    assert offers[L40S].availability == "HIGH"


def test_the_provider_has_both_tiers_and_no_bids(world: World) -> None:
    abilities = world.cloud.capabilities()
    assert abilities.tiers == frozenset(Tier)
    assert not abilities.interruptible_bids
