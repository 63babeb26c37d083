"""A `GpuCloud` in memory, with the provider's ways to fail in miniature.

It passes the contract suite that RunPod's client passes against the stand-in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.errors import (
    NoCapacity,
    ProviderError,
    ProviderReplyLost,
    ProviderUnavailable,
)
from chalicelib.domain.gpu import (
    BILLING_STATUSES,
    Capabilities,
    GpuOffer,
    Pod,
    PodBill,
    PodRequest,
    PodStatus,
    Tier,
)

_DATA_CENTER = "US-KS-2"


def offer(gpu_id: str, memory_gb: int, spot_usd: str | None, on_demand_usd: str) -> GpuOffer:
    """An offer with stock. `spot_usd` None: not on the community cloud."""
    prices = {Tier.SPOT: Decimal(spot_usd) if spot_usd else None, Tier.ON_DEMAND: Decimal(on_demand_usd)}
    return GpuOffer(
        gpu_id=gpu_id,
        name=gpu_id.removeprefix("NVIDIA "),
        memory_gb=memory_gb,
        price_usd_per_hour=prices,
        max_count={tier: 8 if price is not None else 0 for tier, price in prices.items()},
        availability="HIGH",
        data_center_ids=(_DATA_CENTER,),
    )


OFFERS = (
    offer("NVIDIA H100 80GB HBM3", 80, "2.69", "3.99"),
    offer("NVIDIA A100 80GB PCIe", 80, "1.19", "1.79"),
    offer("NVIDIA L40S", 48, "0.79", "0.86"),
    offer("NVIDIA GeForce RTX 4090", 24, "0.34", "0.69"),
    offer("NVIDIA L4", 24, None, "0.39"),
)


@dataclass
class _Rented:
    request: PodRequest
    id: str
    rate_usd: Decimal
    created_at: datetime
    ended_at: datetime | None = None
    rate_since: datetime | None = None
    billed_before_usd: Decimal = Decimal(0)
    forced_status: PodStatus | None = None
    hidden_lists: int = 0
    was_listed: bool = False
    ghost_lists: int = 0


@dataclass
class FakeGpuCloud:
    """Class of the port `GpuCloud`. Counters say how many of the next calls go wrong.

    clock: tells the time; pods move through their phases by it and are billed by it.
    phase_seconds: how long PROVISIONING and STARTING take, each.
    """

    clock: Callable[[], datetime]
    offers: tuple[GpuOffer, ...] = OFFERS
    phase_seconds: float = 0.0
    without_capacity: set[tuple[str, Tier]] = field(default_factory=set)
    refuse_creates_with: ProviderError | None = None
    lose_create_replies: int = 0
    fail_creates_after_commit: int = 0
    fail_creates_before_commit: int = 0
    hide_new_pods_for_lists: int = 0
    show_deleted_pods_for_lists: int = 0
    ignore_deletes: int = 0
    fail_lists: int = 0
    fail_gets: int = 0
    fail_deletes: int = 0
    hide_bills: bool = False
    bill_extra_usd: dict[str, Decimal] = field(default_factory=dict)
    create_calls: list[PodRequest] = field(default_factory=list)
    delete_calls: list[str] = field(default_factory=list)
    log_lines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _rented: dict[str, _Rented] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # --- the port ---------------------------------------------------------------------------------------

    def create(self, request: PodRequest) -> Pod:
        self.create_calls.append(request)
        if self.refuse_creates_with is not None:
            raise self.refuse_creates_with
        if self._spend("fail_creates_before_commit"):
            raise ProviderReplyLost("RunPod answered 500 to create. A pod may exist: look for it by name.")
        rented = self._rent(request)
        if self._spend("lose_create_replies"):
            raise ProviderReplyLost(
                "The connection broke during create. A pod may exist: look for it by name."
            )
        if self._spend("fail_creates_after_commit"):
            raise ProviderReplyLost("RunPod answered 500 to create. A pod may exist: look for it by name.")
        return self._shown(rented)

    def get(self, pod_id: str) -> Pod | None:
        if self._spend("fail_gets"):
            raise ProviderUnavailable("RunPod answered 500 to GET /pods/{id}.")
        rented = self._existing(pod_id)
        return self._shown(rented) if rented else None

    def list(self, name_prefix: str) -> tuple[Pod, ...]:
        if self._spend("fail_lists"):
            raise ProviderUnavailable("RunPod answered 500 to GET /pods.")
        listed = [rented for rented in self._rented.values() if self._is_listed(rented)]
        return tuple(self._shown(rented) for rented in listed if rented.request.name.startswith(name_prefix))

    def delete(self, pod_id: str) -> None:
        self.delete_calls.append(pod_id)
        if self._spend("fail_deletes"):
            raise ProviderUnavailable("RunPod answered 500 to DELETE /pods/{id}.")
        rented = self._existing(pod_id)
        if rented is not None and not self._spend("ignore_deletes"):
            rented.ghost_lists = self.show_deleted_pods_for_lists
            self._end(rented, PodStatus.TERMINATED)

    def catalogue(self) -> tuple[GpuOffer, ...]:
        return self.offers

    def logs(self, pod_id: str, tail: int = 100) -> tuple[str, ...]:
        rented = self._existing(pod_id)
        if rented is None:
            return ()
        lines = self.log_lines.get(pod_id, (f"[system] create container {rented.request.image}",))
        return lines[-tail:]

    def billing(self, pod_id: str) -> PodBill | None:
        rented = self._rented.get(pod_id)
        if rented is None:
            return None
        if self.hide_bills:
            return None
        extra = self.bill_extra_usd.get(pod_id, Decimal(0))
        return PodBill(pod_id, max(Decimal(0), self._billed_usd(rented) + extra))

    def capabilities(self) -> Capabilities:
        return Capabilities()

    # --- what befalls pods --------------------------------------------------------------------------------

    def vanish(self, pod_id: str) -> None:
        """The pod is gone without a word: 404, and in no list."""
        self._end(self._rented[pod_id], PodStatus.TERMINATED)

    def stop(self, pod_id: str, status: PodStatus = PodStatus.EXITED) -> None:
        """The pod stops without being asked to, and is no longer billed."""
        self._end(self._rented[pod_id], status)

    def put_in_status(self, pod_id: str, status: PodStatus) -> None:
        """Shows a status that the clock would not give, UNKNOWN for example; billing goes on."""
        self._rented[pod_id].forced_status = status

    def set_price(self, pod_id: str, usd_per_hour: Decimal) -> None:
        """The rate the pod is shown and billed at from now on."""
        rented = self._rented[pod_id]
        rented.billed_before_usd = self._billed_usd(rented)
        rented.rate_since = self.clock()
        rented.rate_usd = usd_per_hour

    def adopt_stranger(self, request: PodRequest) -> Pod:
        """A pod that somebody else on the account rented."""
        return self._shown(self._rent(request))

    @property
    def billed_pods(self) -> Mapping[str, Pod]:
        """What costs money now, by pod id, whatever lists show."""
        pods = [self._shown(rented) for rented in self._rented.values()]
        return {pod.id: pod for pod in pods if pod.status in BILLING_STATUSES}

    def whole_bill_usd(self, known: Iterable[str] = ()) -> Decimal:
        """All that was ever billed, whatever the books show: for the `known` pods and those that any list ever showed."""
        ids = {rented.id for rented in self._rented.values() if rented.was_listed} | set(known)
        return sum((self._billed_usd(self._rented[pod_id]) for pod_id in ids), Decimal(0))

    # --- inside -------------------------------------------------------------------------------------------

    def _rent(self, request: PodRequest) -> _Rented:
        rate = self._rate_usd(request)
        rented = _Rented(request, f"pod{next(self._numbers):05d}", rate, self.clock())
        rented.hidden_lists = self.hide_new_pods_for_lists
        self._rented[rented.id] = rented
        return rented

    def _billed_usd(self, rented: _Rented) -> Decimal:
        since = rented.rate_since or rented.created_at
        seconds = max(0.0, ((rented.ended_at or self.clock()) - since).total_seconds())
        return rented.billed_before_usd + rented.rate_usd * Decimal(str(seconds)) / 3600

    def _rate_usd(self, request: PodRequest) -> Decimal:
        known = next((item for item in self.offers if item.gpu_id == request.gpu_id), None)
        if known is None:
            raise NoCapacity(
                f"RunPod refuses this combination: unknown GPU type {request.gpu_id!r}",
                {"status": 400, "recognised": False},
            )
        price = known.price_usd_per_hour[request.tier]
        fits = request.gpu_count <= known.max_count[request.tier]
        if price is None or not fits or (request.gpu_id, request.tier) in self.without_capacity:
            raise NoCapacity(
                "RunPod has no such machine free: There are no longer any instances available.",
                {"status": 400, "recognised": True},
            )
        return price * request.gpu_count

    def _spend(self, counter: str) -> bool:
        left: int = getattr(self, counter)
        if left > 0:
            setattr(self, counter, left - 1)
        return left > 0

    def _existing(self, pod_id: str) -> _Rented | None:
        rented = self._rented.get(pod_id)
        return None if rented is None or rented.forced_status is PodStatus.TERMINATED else rented

    def _is_listed(self, rented: _Rented) -> bool:
        if rented.hidden_lists:
            rented.hidden_lists -= 1
            return False
        if rented.forced_status is not PodStatus.TERMINATED:
            rented.was_listed = True
            return True
        rented.ghost_lists -= 1
        return rented.ghost_lists >= 0

    def _end(self, rented: _Rented, status: PodStatus) -> None:
        rented.forced_status = status
        rented.ended_at = rented.ended_at or self.clock()

    def _shown(self, rented: _Rented) -> Pod:
        age_seconds = (self.clock() - rented.created_at).total_seconds()
        phases = (PodStatus.PROVISIONING, PodStatus.STARTING, PodStatus.RUNNING)
        phase = min(2, int(age_seconds / self.phase_seconds)) if self.phase_seconds else 2
        status = rented.forced_status or phases[phase]
        is_up = status is PodStatus.RUNNING
        return Pod(
            id=rented.id,
            name=rented.request.name,
            status=status,
            price_usd_per_hour=Decimal(0) if rented.ended_at else rented.rate_usd,
            gpu_id=rented.request.gpu_id,
            gpu_count=rented.request.gpu_count,
            tier=rented.request.tier,
            data_center_id=_DATA_CENTER,
            created_at=rented.created_at,
            started_at=rented.created_at if is_up else None,
            uptime_seconds=int(age_seconds - 2 * self.phase_seconds) if is_up else None,
        )
