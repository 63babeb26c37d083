"""A client that has the pages of all running jobs open: polls /live of each every five seconds and notes when it saw what."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from benchmarks.storm.stage import Stage, moment

POLL_SECONDS = 5.0
LOOK_SECONDS = 1.0


class Watcher:
    """Which jobs run it learns from the slots, whose number it keeps the highest of; each is polled until it is over."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cursors: dict[str, str | None] = {}
        self._due_at: dict[str, float] = {}
        self._over: set[str] = set()
        self._seen_at: dict[tuple[str, int], float] = {}
        self.most_slots = 0

    def watch(self, stop: threading.Event) -> None:
        """Until told to stop and nothing that ran is left unseen."""
        http = self._stage.api.http
        with httpx.Client(base_url=http.base_url, headers=dict(http.headers), timeout=60) as client:
            while not stop.wait(LOOK_SECONDS) or self._due_at:
                holders = self._stage.jobs.slots().holders
                self.most_slots = max(self.most_slots, len(holders))
                for job_id in set(holders) - self._over:
                    self._due_at.setdefault(job_id, time.monotonic())
                self._poll_due(client)

    def _poll_due(self, client: httpx.Client) -> None:
        for job_id, due_at in list(self._due_at.items()):
            if due_at <= time.monotonic():
                self._due_at[job_id] = time.monotonic() + POLL_SECONDS
                if self._poll(client, job_id):
                    self._over.add(job_id)
                    del self._due_at[job_id]

    def delays(self, calls: Sequence[Mapping[str, Any]]) -> list[float]:
        """Seconds from each point's own time to the poll that brought it, of points seen while their job ran."""
        said_at = {(call["job_id"], step): moment(at) for call in calls for step, at in call["points"]}
        return [seen - said_at[key] for key, seen in self._seen_at.items() if key in said_at]

    def _poll(self, client: httpx.Client, job_id: str) -> bool:
        """Whether there is nothing to poll for any more."""
        cursor = self._cursors.setdefault(job_id, None)
        reply = client.get(f"/jobs/{job_id}/live", params={"cursor": cursor} if cursor else {})
        if reply.status_code != 200:
            return False
        data = reply.json()["data"]
        self._cursors[job_id] = data["cursor"]
        for step in data.get("points", {}).get("step", []):
            self._seen_at.setdefault((job_id, int(step)), time.time())
        return bool(data["poll_after_seconds"] == 0)
