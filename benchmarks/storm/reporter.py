"""Numbered events until they are acknowledged, and a network that doubles, reorders and loses batches."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.storm.manners import Manners
from benchmarks.storm.wire import FailedError, Wire

Event = dict[str, Any]
MOST_EVENTS = 500
PATIENCE_SECONDS = 900.0


class Reporter:
    """A simulated trainer's voice. Raises GoneError when another attempt owns the job, FailedError after long silence."""

    def __init__(self, job: Mapping[str, Any], wire: Wire, manners: Manners) -> None:
        self._job, self._wire, self._manners = job, wire, manners
        # Of the attempt too: a second one must not be mistreated in the very same places.
        self._luck = random.Random(f"{manners.seed}/{job['job_id']}/{job['attempt']}")
        self._first = 0
        self._events: list[Event] = []
        self._incarnation = 0
        self._sent_at = 0.0
        self._answered_at = time.monotonic()
        self.interval_seconds = 0.0
        self.command = "continue"

    def hello(self) -> dict[str, Any]:
        """What the control plane answers to a starting process."""
        body = {
            "trainer_version": "simulated",
            "process": uuid.uuid4().hex,
            "gpu": None,
            "image_digest": None,
        }
        reply = self._insist("hello", {**self._who(), **body})
        self._incarnation, self._first = int(reply["incarnation"]), int(reply["next_sequence"])
        self._heard(reply)
        return reply

    def upload_links(self, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Where to put each of these files ({path, size_bytes, sha256}), by path."""
        reply = self._insist("urls", {**self._who(), "uploads": list(files), "downloads": []})
        links: dict[str, Any] = reply["uploads"]
        return links

    def say(self, kind: str, **facts: Any) -> None:
        """Queue one event."""
        self._events.append({"type": kind, "at": datetime.now(UTC).isoformat(), **facts})

    def tick(self) -> None:
        """Report when it is time to, or when there are points enough."""
        enough = self._manners.points_per_batch
        if enough and len(self._events) >= enough:
            for _ in range(1 + self._manners.idle_batches):
                self.report()
        elif not enough and time.monotonic() - self._sent_at >= self.interval_seconds:
            self.report()

    def flush(self) -> None:
        """Return when everything said so far is acknowledged."""
        while self._events:
            self.report()

    def report(self) -> None:
        """One batch; an empty one is a heartbeat. What is not acknowledged comes again in the next."""
        self._sent_at = time.monotonic()
        try:
            self._through_bad_weather(self._luck.random())
        except FailedError as error:
            print(f"report failed: {error}", flush=True)
            if time.monotonic() - self._answered_at > PATIENCE_SECONDS:
                raise
            time.sleep(0.2 + self._luck.random())

    def _through_bad_weather(self, fate: float) -> None:
        dropped, reordered = self._manners.dropped, self._manners.reordered
        if fate < dropped / 2:
            self._note("request lost", 0, [], 0.0, None)
        elif fate < dropped:
            self._post("reply lost", self._events)
        elif fate < dropped + reordered and len(self._events) > 1:
            half = len(self._events) // 2
            self._post("overtaking", self._events[half:], half)
            self._heard(self._post("overtaken", self._events[:half]))
        elif fate < dropped + reordered + self._manners.duplicated:
            reply = self._post("sent", self._events)
            self._post("duplicate", self._events)
            self._heard(reply)
        else:
            self._heard(self._post("sent", self._events))

    def _post(self, how: str, waiting: Sequence[Event], skipped: int = 0) -> dict[str, Any]:
        events, first = waiting[:MOST_EVENTS], self._first + skipped
        body = {"incarnation": self._incarnation, "first_sequence": first, "events": events}
        began = time.monotonic()
        try:
            reply = self._wire.call("events", {**self._who(), **body})
        except FailedError as error:
            self._note(f"failed: {error}"[:300], first, events, time.monotonic() - began, None)
            raise
        self._note(how, first, events, time.monotonic() - began, int(reply["next_sequence"]))
        return reply

    def _heard(self, reply: Mapping[str, Any]) -> None:
        self._answered_at = time.monotonic()
        self.command = str(reply["command"])
        told = self._job["report"]
        seconds = told["watched_interval_seconds" if reply["watched"] else "interval_seconds"]
        self.interval_seconds = self._manners.interval_seconds or float(seconds)
        del self._events[: max(0, int(reply["next_sequence"]) - self._first)]
        self._first = int(reply["next_sequence"])

    def _who(self) -> dict[str, Any]:
        return {"attempt": self._job["attempt"], "fence": self._job["fence"]}

    def _insist(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        begun = time.monotonic()
        while True:
            try:
                return self._wire.call(route, body)
            except FailedError as error:
                self._note(f"failed: {error}"[:300], 0, [], 0.0, None)
                if time.monotonic() - begun > PATIENCE_SECONDS:
                    raise
                time.sleep(0.2 + self._luck.random())

    def _note(
        self, how: str, first: int, events: Sequence[Event], seconds: float, next_sequence: int | None
    ) -> None:
        if not self._manners.ledger:
            return
        line = {
            "job_id": self._job["job_id"],
            "at": time.time(),
            "how": how,
            "first": first,
            "events": len(events),
            "points": [[event["step"], event["at"]] for event in events if event["type"] == "metrics"],
            "milliseconds": round(seconds * 1000, 2),
            "next_sequence": next_sequence,
        }
        # One write to a file opened for appending: lines of many processes do not mix.
        descriptor = os.open(self._manners.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
        finally:
            os.close(descriptor)
