"""Two worlds in which the contract of `GpuCloud` must hold: RunPod's client over HTTP, and the fake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from chalicelib.adapters.runpod import RunpodCloud
from chalicelib.adapters.runpod_transport import Patience
from chalicelib.domain.errors import ProviderBalanceTooLow
from chalicelib.domain.gpu import Tier
from chalicelib.ports import GpuCloud

from tests.fakes_gpu import FakeGpuCloud
from tests.runpod_standin.process import API_KEY, StandInProcess
from tests.runpod_standin.waiting import wait_until


class World(Protocol):
    """A cloud, and how to make it misbehave."""

    @property
    def cloud(self) -> GpuCloud: ...

    def wait(self, condition: Callable[[], bool], what: str) -> None: ...

    def take_capacity_of(self, gpu_id: str, tier: Tier) -> None: ...

    def empty_the_account(self) -> None: ...

    def lose_next_create_reply(self) -> None: ...

    def fail_next_create_after_commit(self) -> None: ...

    def fail_next_create_before_commit(self) -> None: ...

    def hide_next_pod_from_lists(self, calls: int) -> None: ...

    def keep_next_deleted_pod_in_lists(self, calls: int) -> None: ...

    def ignore_next_delete(self) -> None: ...

    def break_lists(self) -> None: ...

    def repair(self) -> None: ...

    def make_vanish(self, pod_id: str) -> None: ...

    def reclaim(self, pod_id: str) -> None: ...


class HttpWorld:
    """RunpodCloud over real HTTP against a running stand-in."""

    def __init__(self, standin: StandInProcess) -> None:
        self._standin = standin
        patience = Patience(first_pause_seconds=0.01, longest_pause_seconds=0.02)
        self._cloud = RunpodCloud(standin.url, API_KEY, patience=patience, log_idle_seconds=0.3)

    def close(self) -> None:
        self._standin.clear_faults()
        self._cloud.close()

    @property
    def cloud(self) -> GpuCloud:
        return self._cloud

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what)

    def take_capacity_of(self, gpu_id: str, tier: Tier) -> None:
        self._standin.arm("no_capacity", gpu_id=gpu_id, tier=tier.value)

    def empty_the_account(self) -> None:
        self._standin.arm("balance_402")

    def lose_next_create_reply(self) -> None:
        self._standin.arm("drop_reply", 1)

    def fail_next_create_after_commit(self) -> None:
        self._standin.arm("error_500_after", 1)

    def fail_next_create_before_commit(self) -> None:
        self._standin.arm("error_500_before", 1)

    def hide_next_pod_from_lists(self, calls: int) -> None:
        self._standin.arm("list_lag_new", 1, calls=calls)

    def keep_next_deleted_pod_in_lists(self, calls: int) -> None:
        self._standin.arm("list_lag_deleted", 1, calls=calls)

    def ignore_next_delete(self) -> None:
        self._standin.arm("delete_ignored", 1)

    def break_lists(self) -> None:
        self._standin.arm("list_500")

    def repair(self) -> None:
        self._standin.clear_faults()

    def make_vanish(self, pod_id: str) -> None:
        self._standin.arm("disappear", 1, pod_id=pod_id)
        self.wait(lambda: self._standin.book(pod_id)["status"] == "TERMINATED", "the pod is gone")

    def reclaim(self, pod_id: str) -> None:
        self._standin.call("POST", f"/_pods/{pod_id}/kill", {"signal": "KILL"})
        self.wait(lambda: self._standin.book(pod_id)["status"] == "EXITED", "the pod is reclaimed")


class FakeWorld:
    """The fake, on a clock that moves when somebody waits."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self._cloud = FakeGpuCloud(lambda: self._now)
        self._cloud.phase_seconds = 5

    @property
    def cloud(self) -> GpuCloud:
        return self._cloud

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(100):
            if condition():
                return
            self._now += timedelta(seconds=1)
        raise AssertionError(f"waited in vain until {what}")

    def take_capacity_of(self, gpu_id: str, tier: Tier) -> None:
        self._cloud.without_capacity.add((gpu_id, tier))

    def empty_the_account(self) -> None:
        self._cloud.refuse_creates_with = ProviderBalanceTooLow("no credit left")

    def lose_next_create_reply(self) -> None:
        self._cloud.lose_create_replies = 1

    def fail_next_create_after_commit(self) -> None:
        self._cloud.fail_creates_after_commit = 1

    def fail_next_create_before_commit(self) -> None:
        self._cloud.fail_creates_before_commit = 1

    def hide_next_pod_from_lists(self, calls: int) -> None:
        self._cloud.hide_new_pods_for_lists = calls

    def keep_next_deleted_pod_in_lists(self, calls: int) -> None:
        self._cloud.show_deleted_pods_for_lists = calls

    def ignore_next_delete(self) -> None:
        self._cloud.ignore_deletes = 1

    def break_lists(self) -> None:
        self._cloud.fail_lists = 1000

    def repair(self) -> None:
        self._cloud.fail_lists = 0
        self._cloud.refuse_creates_with = None
        self._cloud.without_capacity.clear()

    def make_vanish(self, pod_id: str) -> None:
        self._cloud.vanish(pod_id)

    def reclaim(self, pod_id: str) -> None:
        self._cloud.stop(pod_id)
