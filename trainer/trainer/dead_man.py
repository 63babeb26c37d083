"""Ends the pod's billing when nobody listens any more: after long silence it asks the provider to delete its
own pod."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx

log = logging.getLogger(__name__)

DELETE_TRIES = 3


@dataclass(frozen=True)
class PodIdentity:
    """How the provider knows this pod, and the pod-scoped key it put there; None outside the provider."""

    provider_url: str
    pod_id: str | None
    key: str | None


def delete_own_pod(identity: PodIdentity, client: httpx.Client, retry_seconds: float = 5.0) -> bool:
    """Ask the provider to delete this pod; True when it agreed or the pod is gone already.

    A pod-scoped key may lack that right: then the pod idles, and the control plane's sweeper deletes it.
    """
    if not identity.pod_id or not identity.key:
        log.warning("no pod id or key in the environment: this pod cannot delete itself")
        return False
    for attempt in range(DELETE_TRIES):
        try:
            response = client.delete(
                f"{identity.provider_url}/v2/pods/{identity.pod_id}",
                headers={"authorization": f"Bearer {identity.key}", "user-agent": "lora-pipeline-trainer"},
                timeout=15.0,
            )
        except httpx.HTTPError as error:
            log.warning("deleting the own pod failed: %s", error)
        else:
            if response.status_code < 300 or response.status_code == 404:
                return True
            log.warning("deleting the own pod was answered with %d", response.status_code)
        threading.Event().wait(retry_seconds * (attempt > 0) + 0.1)
    return False


class DeadMan:
    """Watches the silence. `expired` tells the main thread to save; `saved` (or a grace period) allows the
    deletion."""

    def __init__(
        self, silent_seconds: Callable[[], float], limit_seconds: float, end_pod: Callable[[], bool]
    ) -> None:
        self._silent_seconds = silent_seconds
        self._limit_seconds = limit_seconds
        self._end_pod = end_pod
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dead-man", daemon=True)
        self.expired = threading.Event()
        self.saved = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        self.saved.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            left = self._limit_seconds - self._silent_seconds()
            if left > 0:
                self._closing.wait(left)
                continue
            log.error("the control plane has been silent for %.0f s", self._silent_seconds())
            self.expired.set()
            # A step, a download or a save may be under way; work that is nearly safe is worth two minutes.
            self.saved.wait(min(120.0, self._limit_seconds))
            if self._closing.is_set() or self._end_pod():
                return
            # RefusedError: stay quiet for as long again; a control plane that comes back ends the silence.
            self._closing.wait(self._limit_seconds)
