"""The trainer's only voice home: batches events in the background and listens for commands in the replies.

Nothing here blocks or ends training: an unreachable control plane only makes the spool grow.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer import events
from trainer.config import Address
from trainer.errors import SupersededError
from trainer.spool import Spool
from trainer.webhooks import ControlPlane, RefusedError, UnavailableError

log = logging.getLogger(__name__)

MAX_EVENTS = 500
MAX_BYTES = 800_000
MAX_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True)
class Hello:
    """The control plane's answer to a starting process: its number within the attempt, the stored checkpoints it may
    continue from, newest first, and losses already reported for steps after them."""

    incarnation: int
    checkpoints: list[dict[str, Any]]
    reported_losses: dict[int, float]


class Reporter:
    """Sends the spool at intervals, at once when something urgent waits; keeps the newest command."""

    def __init__(
        self,
        plane: ControlPlane,
        address: Address,
        spool: Spool,
        interval_seconds: float,
        watched_interval_seconds: float,
    ) -> None:
        self._plane = plane
        self._address = address
        self._spool = spool
        self._interval_seconds = interval_seconds
        self._watched_interval_seconds = min(interval_seconds, watched_interval_seconds)
        self._watched = False
        self._incarnation = 1
        self._failures = 0
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._sending = threading.Lock()
        self._told = threading.Condition()
        self._last_contact = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        self.command = "continue"
        self.superseded = threading.Event()

    def hello(self, body: dict[str, Any], give_up: Callable[[], bool]) -> Hello | None:
        """Introduce this process; tries until it is answered or `give_up` says so (then None).

        Raises SupersededError when another attempt has taken over.
        """
        request = {"attempt": self._address.attempt, "fence": self._address.fence, **body}
        while not give_up():
            try:
                reply = self._plane.call("hello", request)
            except (UnavailableError, RefusedError) as error:
                log.warning("hello failed: %s", error)
                self._failures += 1
                self._closing.wait(self._pause_seconds())
                continue
            self._failures = 0
            self._incarnation = int(reply["incarnation"])
            self._heard(reply)
            newest = reply["checkpoint"]
            return Hello(
                self._incarnation,
                [*([newest] if newest else []), *reply.get("earlier_checkpoints", [])],
                {int(step): float(loss) for step, loss in reply.get("reported_losses", [])},
            )
        return None

    def start(self) -> None:
        """Begin to report in the background; call after hello."""
        self._thread.start()

    def say(self, event: events.Event, urgent: bool = False) -> None:
        """Queue one event. Urgent ones are on disk before this returns and sent at once."""
        self._spool.append({**event, "at": self._plane.now().isoformat()}, durable=urgent)
        if urgent:
            self._wake.set()

    @property
    def silent_seconds(self) -> float:
        """How long the control plane has not answered."""
        return time.monotonic() - self._last_contact

    @property
    def interval_seconds(self) -> float:
        """Time between batches at present."""
        return self._watched_interval_seconds if self._watched else self._interval_seconds

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything said so far is acknowledged; False when it took too long."""
        self._wake.set()
        with self._told:
            return self._told.wait_for(
                lambda: len(self._spool) == 0 or self.superseded.is_set(), timeout_seconds
            )

    def send_now(self, timeout_seconds: float) -> bool:
        """One try on the caller's thread, for notices that cannot wait; True when it was acknowledged."""
        deadline = time.monotonic() + timeout_seconds
        if not self._sending.acquire(timeout=timeout_seconds):
            return False
        try:
            self._send(max(0.1, deadline - time.monotonic()))
        except (UnavailableError, RefusedError, SupersededError) as error:
            log.warning("notice was not delivered: %s", error)
            return False
        finally:
            self._sending.release()
        return True

    def close(self) -> None:
        """Stop reporting."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=20)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(self._pause_seconds() if self._failures else self.interval_seconds)
            self._wake.clear()
            if self._closing.is_set() or self.superseded.is_set():
                return
            self._deliver()
            if self._failures:
                # An urgent event must not turn an outage into a busy loop.
                self._closing.wait(min(1.0, self._pause_seconds()))

    def _deliver(self) -> None:
        try:
            with self._sending:
                self._send(15.0)
                while len(self._spool) and not self._closing.is_set():
                    self._send(15.0)
            self._failures = 0
        except SupersededError as error:
            log.warning("this attempt is superseded: %s", error)
            self.superseded.set()
            with self._told:
                self._told.notify_all()
        except (UnavailableError, RefusedError) as error:
            self._failures += 1
            log.warning("report failed (%d in a row): %s", self._failures, error)
        except Exception:
            # A bug here must cost reports at worst, never the training run.
            self._failures += 1
            log.exception("report failed")

    def _send(self, timeout_seconds: float) -> None:
        first, batch = self._spool.batch(MAX_EVENTS, MAX_BYTES)
        try:
            reply = self._post(first, batch, timeout_seconds)
        except RefusedError as error:
            if not batch:
                raise
            log.error("batch of %d events from %d refused: %s", len(batch), first, error)
            reply = self._post_one(first, batch[0], timeout_seconds)
        self._heard(reply)

    def _post_one(self, first: int, event: events.Event, timeout_seconds: float) -> dict[str, Any]:
        """Find the event the control plane objects to; it is told about instead of silently dropped."""
        try:
            return self._post(first, [event], timeout_seconds)
        except RefusedError as error:
            log.error("event %d refused: %s: %s", first, error, event)
            message = f"An event of type {event['type']} was refused by the control plane: {error}"
            stand_in = {**events.note("warning", message, "event_refused"), "at": event["at"]}
            self._spool.replace_first(stand_in)
            return self._post(first, [stand_in], timeout_seconds)

    def _post(self, first: int, batch: list[events.Event], timeout_seconds: float) -> dict[str, Any]:
        body = {
            "attempt": self._address.attempt,
            "fence": self._address.fence,
            "incarnation": self._incarnation,
            "first_sequence": first,
            "events": batch,
        }
        return self._plane.call("events", body, timeout_seconds)

    def _heard(self, reply: dict[str, Any]) -> None:
        self._last_contact = time.monotonic()
        self.command = str(reply["command"])
        self._watched = bool(reply["watched"])
        self._spool.acknowledge(int(reply["next_sequence"]))
        with self._told:
            self._told.notify_all()

    def _pause_seconds(self) -> float:
        """Exponential back-off with full jitter, in units of the reporting interval's fifth."""
        ceiling = min(MAX_BACKOFF_SECONDS, self._watched_interval_seconds / 5 * 2**self._failures)
        return random.uniform(ceiling / 2, ceiling)
