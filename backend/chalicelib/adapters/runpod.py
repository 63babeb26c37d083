"""`GpuCloud` over RunPod's REST v2.

`spot` is RunPod's community cloud (cheaper, may vanish), `on_demand` its secure cloud: v2 has no bids.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from chalicelib.adapters import runpod_errors, runpod_shapes, runpod_values
from chalicelib.adapters.runpod_address import checked_base_url, is_loopback
from chalicelib.adapters.runpod_transport import READ_SECONDS, Patience, Transport
from chalicelib.domain.errors import ProviderReplyLost, ProviderUnavailable
from chalicelib.domain.gpu import Capabilities, GpuOffer, Pod, PodBill, PodRequest

DEFAULT_BASE_URL = "https://api.runpod.io"
DEFAULT_USER_AGENT = "lora-pipeline/0.1"

_PAGE_SIZE = "1000"
_MOST_PAGES = 100
# The log stream stays open for live lines; this long without one, and the backfill is over.
_LOG_IDLE_SECONDS = 2.0
_LOG_TOTAL_SECONDS = 10.0
_MOST_LOG_LINES = 5000
# By the day: fewer records, and without a start RunPod looks back 30 days, longer than any job lasts.
_BILLING_BUCKET = "day"

T = TypeVar("T")
# Inside the class, `list` is the method.
Page = list[Pod]


class RunpodCloud:
    """One account at RunPod. Not bound to a thread; opens connections at the first call.

    base_url: host root, `/v2` is added; plain HTTP only to loopback (ValueError otherwise).
    http: a client of the caller's, which the caller closes; timeouts are set per call either way.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        user_agent: str = DEFAULT_USER_AGENT,
        http: httpx.Client | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        patience: Patience | None = None,
        log_idle_seconds: float = _LOG_IDLE_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        root = checked_base_url(base_url)
        if not api_key.strip() or not api_key.isascii() or not api_key.isprintable():
            raise ValueError("the RunPod account key is empty or no key; check the secret")
        if not user_agent.strip():
            raise ValueError("RunPod refuses clients without a User-Agent; give one")
        # A proxy of the environment has no business between this process and its own machine.
        own = http or httpx.Client(trust_env=not is_loopback(urlsplit(root).hostname or ""))
        self._transport = Transport(
            root, api_key, user_agent, own, sleep, jitter, patience or Patience(), read_seconds
        )
        self._own_http = own if http is None else None
        self._log_idle_seconds = log_idle_seconds

    def close(self) -> None:
        """Closes kept connections, unless the client is the caller's. The next call would raise RuntimeError."""
        if self._own_http is not None:
            self._own_http.close()

    def create(self, request: PodRequest) -> Pod:
        """Rents a pod, in exactly one call.

        Raises ProviderReplyLost when a pod may exist all the same; ProviderUnavailable when the request never
        left; NoCapacity (details: {"status", "recognised"}; False means a 400 of unknown cause, so when every
        candidate gets one the request is wrong); ProviderRefusedRequest, ProviderBalanceTooLow,
        ProviderKeyRefused, ProviderAccessDenied, ProviderThrottled: nothing was rented.
        """
        reply = self._transport.create("/pods", runpod_shapes.create_body(request))
        try:
            return runpod_shapes.pod(runpod_values.decoded(reply.content))
        except runpod_values.UnreadableReplyError as error:
            raise ProviderReplyLost(
                f"RunPod accepted the pod {request.name} with a reply that cannot be read ({error}). "
                "It may cost money: look for it by name before anything else."
            ) from error

    def get(self, pod_id: str) -> Pod | None:
        """The pod as it is now; None when RunPod does not know it (any more)."""
        reply = self._transport.read(_pod_path(pod_id))
        return None if runpod_errors.says_gone(reply) else _read(reply, runpod_shapes.pod)

    def list(self, name_prefix: str) -> tuple[Pod, ...]:
        """Every pod of the account whose name begins with `name_prefix`, over all pages.

        Raises ProviderError when any page fails: a listing with a gap would declare living pods gone.
        """
        found = {pod.id: pod for page in self._pages() for pod in page}
        return tuple(pod for pod in found.values() if pod.name.startswith(name_prefix))

    def delete(self, pod_id: str) -> None:
        """Asks RunPod to terminate the pod. A pod that is gone already is success."""
        self._transport.remove(_pod_path(pod_id))

    def catalogue(self) -> tuple[GpuOffer, ...]:
        """Every GPU type with its prices, and the better of both clouds' availability."""
        secure, community = self._gpus("SECURE"), self._gpus("COMMUNITY")
        return _shaped(lambda: runpod_shapes.offers(secure, community), "/v2/catalog/gpus")

    def logs(self, pod_id: str, tail: int = 100) -> tuple[str, ...]:
        """The last lines, each "[system] ..." or "[container] ..."; () when there are none to get.

        tail: 1 to 5000 lines of both together. Never raises for a provider's failure: logs only ever explain.
        """
        lines: list[str] = []
        wanted = max(1, min(tail, _MOST_LOG_LINES))
        until = time.monotonic() + _LOG_TOTAL_SECONDS
        try:
            for line in self._log_events(pod_id, wanted):
                lines.append(line)
                if len(lines) >= wanted or time.monotonic() > until:
                    break
        except httpx.RequestError:
            # Silence ends the backfill, and a broken stream has still given what it gave.
            return tuple(lines)
        return tuple(lines)

    def billing(self, pod_id: str) -> PodBill | None:
        """What RunPod billed for the pod so far; None when its books do not show it yet."""
        params = {"podId": pod_id, "bucketSize": _BILLING_BUCKET}
        reply = self._transport.read("/billing/pods", params)
        if runpod_errors.says_gone(reply):
            return None
        return _read(reply, lambda body: runpod_shapes.bill(body, pod_id))

    def capabilities(self) -> Capabilities:
        return Capabilities()

    def _pages(self) -> Iterator[Page]:
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            params = {"limit": _PAGE_SIZE}
            if cursor is not None:
                params["cursor"] = cursor
            pods, cursor = _read(self._existing("/pods", params), runpod_shapes.pods_page)
            yield pods
            if cursor is None:
                return
            if cursor in seen:
                break
            seen.add(cursor)
        raise ProviderUnavailable("RunPod's listing of pods does not come to an end.")

    def _gpus(self, cloud: str) -> Mapping[str, Any]:
        params = {"include": "AVAILABILITY", "product": "POD", "count": "1", "cloud": cloud}
        return _read(self._existing("/catalog/gpus", params), lambda body: body)

    def _existing(self, path: str, params: dict[str, str]) -> httpx.Response:
        """A collection, which cannot be gone: a 404 means that we ask the wrong place."""
        reply = self._transport.read(path, params)
        if reply.status_code == 404:
            raise ProviderUnavailable(f"RunPod does not know {path}; check RUNPOD_API_BASE_URL.")
        return reply

    def _log_events(self, pod_id: str, tail: int) -> Iterator[str]:
        stream = self._transport.stream(
            f"{_pod_path(pod_id)}/logs", {"tail": str(tail)}, self._log_idle_seconds
        )
        with stream as reply:
            if not reply.is_success:
                return
            for text in reply.iter_lines():
                line = runpod_shapes.log_line(text[5:]) if text.startswith("data:") else None
                if line is not None:
                    yield line


def _pod_path(pod_id: str) -> str:
    if not pod_id or pod_id in (".", ".."):
        raise ValueError(f"{pod_id!r} is no pod id")
    return f"/pods/{quote(pod_id, safe='')}"


def _read(reply: httpx.Response, shape: Callable[[Mapping[str, Any]], T]) -> T:
    return _shaped(lambda: shape(runpod_values.decoded(reply.content)), reply.request.url.path)


def _shaped(read: Callable[[], T], path: str) -> T:
    try:
        return read()
    except runpod_values.UnreadableReplyError as error:
        raise ProviderUnavailable(f"RunPod's answer to {path} cannot be read: {error}.") from error
