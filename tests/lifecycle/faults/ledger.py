"""A provider that keeps its own books: seconds of every pod at the price of that second, whatever we believe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.gpu import Pod, PodBill, PodRequest

from tests.fakes_gpu import FakeGpuCloud, _Rented


class LedgerCloud(FakeGpuCloud):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.prices: dict[str, list[tuple[datetime, Decimal]]] = {}

    def _rent(self, request: PodRequest) -> _Rented:
        rented = super()._rent(request)
        self.prices[rented.id] = [(rented.created_at, rented.rate_usd)]
        return rented

    def set_price(self, pod_id: str, usd_per_hour: Decimal) -> None:
        """From now on; seconds until now were sold at the price before."""
        super().set_price(pod_id, usd_per_hour)
        self.prices[pod_id].append((self.clock(), usd_per_hour))

    def bill_usd(self, pod_id: str) -> Decimal:
        """What this pod has cost until now."""
        ended_at = self._rented[pod_id].ended_at or self.clock()
        prices = self.prices[pod_id]
        ends = [at for at, _ in prices[1:]] + [ended_at]
        return sum(
            (
                Decimal(str(max(0.0, (min(until, ended_at) - at).total_seconds()))) * rate / 3600
                for (at, rate), until in zip(prices, ends, strict=True)
            ),
            Decimal(0),
        )

    def billing(self, pod_id: str) -> PodBill | None:
        return PodBill(pod_id, self.bill_usd(pod_id)) if pod_id in self._rented else None

    @property
    def all_pods(self) -> list[Pod]:
        """Every pod that ever was, oldest first."""
        return [self._shown(rented) for rented in self._rented.values()]

    def ended_at(self, pod_id: str) -> datetime | None:
        return self._rented[pod_id].ended_at
