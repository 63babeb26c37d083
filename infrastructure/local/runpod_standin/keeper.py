"""The clockwork: moves pods through their phases, restarts containers, strikes them, finds pods again."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from runpod_standin import container
from runpod_standin.faults import Fault, Switchboard
from runpod_standin.pods import Pods
from runpod_standin.processes import identity, leads_session
from runpod_standin.records import (
    ERROR,
    EXITED,
    PROVISIONING,
    RUNNING,
    STARTING,
    TERMINATED,
    PodRecord,
    utc_now,
)
from runpod_standin.settings import Settings

_ALIVE_MARK = "alive"
_ALIVE_INTERVAL = timedelta(seconds=5)

# What befalls a running pod, as (fault, parameter that says how long after the container's start).
_MISFORTUNES = (
    ("spot_kill_term", "after_seconds"),
    ("spot_kill_no_term", "after_seconds"),
    ("restart_loop", "after_seconds"),
    ("disappear", "after_seconds"),
    ("error_status", "after_seconds"),
    ("exit_seconds", "seconds"),
)


class Keeper:
    """Looks after every pod, once per tick. On the event loop, so nothing else changes a pod meanwhile."""

    def __init__(
        self,
        settings: Settings,
        pods: Pods,
        faults: Switchboard,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._pods = pods
        self._faults = faults
        self._now = now
        self._alive_at: datetime | None = None

    async def run(self) -> None:
        """Ticks until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(self._settings.tick_seconds)

    def tick(self) -> None:
        """One look at every pod that lives or whose process does."""
        for record in list(self._pods.by_id.values()):
            if record.is_live or record.pid is not None:
                self._look_at(record)
        self._mark_alive()

    def recover(self) -> None:
        """After a start: adopts processes that outlived an earlier stand-in, ends pods whose process did not.

        A pod whose process vanished is EXITED, as after a reboot of its host, and billed until the stand-in
        was last known to be alive.
        """
        last_seen = self._pods.ledger.marked(_ALIVE_MARK)
        for record in self._pods.by_id.values():
            if not record.is_live and record.pid is None:
                continue
            if not self._pods.has_process(record):
                self._adopt_stray(record)
            if record.pid is not None and not self._pods.has_process(record):
                self._pods.processes.kill_marked(container.marker(record))
                record.pid = record.process_identity = None
                self._pods.save(record)
                if record.is_live:
                    self._pods.end(record, EXITED, at=max(filter(None, (last_seen, record.container_at))))

    def end_all(self) -> None:
        """Terminates every pod and returns when no process is left: SIGTERM, then SIGKILL after the grace."""
        for record in self._pods.by_id.values():
            if record.status != TERMINATED:
                self._pods.end(record, TERMINATED)
        while any(record.pid is not None for record in self._pods.by_id.values()):
            self.tick()
            time.sleep(0.02)

    def _look_at(self, record: PodRecord) -> None:
        if record.pid is not None:
            self._watch(record)
        elif record.status == PROVISIONING:
            self._leave_phase(record, STARTING, "stuck_provisioning")
        elif record.status == STARTING:
            self._leave_phase(record, RUNNING, None)
        elif not record.runtime_ready:
            self._leave_phase(record, None, "running_without_runtime")
        elif record.restart_at is None or record.restart_at <= self._now():
            self._pods.start_container(record)

    def _leave_phase(self, record: PodRecord, following: str | None, obstacle: str | None) -> None:
        """Goes on to the next status (None: the container) when the phase is over and nothing holds it."""
        now = self._now()
        if record.stuck or (now - record.phase_at).total_seconds() < self._settings.phase_seconds:
            return
        if obstacle and self._faults.take(obstacle, record.facts):
            record.stuck = True
            self._pods.save(record)
        elif following is None:
            self._pods.start_container(record)
        else:
            record.status = following
            record.phase_at = now
            record.started_at = now if following == RUNNING else None
            self._pods.save(record)

    def _watch(self, record: PodRecord) -> None:
        self._pods.logbook.note_growth(record.id)
        if not self._pods.has_process(record):
            self._pods.bury(record)
        elif record.term_at is not None:
            if (self._now() - record.term_at).total_seconds() >= self._settings.grace_seconds:
                self._pods.processes.send(record.pid or 0, record.process_identity, signal.SIGKILL)
        elif record.status == RUNNING:
            self._befall(record)

    def _befall(self, record: PodRecord) -> None:
        uptime = record.uptime_since(self._now())
        for name, parameter in _MISFORTUNES:

            def is_due(fault: Fault, parameter: str = parameter) -> bool:
                return uptime >= fault.number(parameter)

            if self._faults.take(name, record.facts, is_due):
                self._strike(record, name)
                return

    def _strike(self, record: PodRecord, name: str) -> None:
        if name == "spot_kill_term":
            self._pods.kill(record, signal.SIGTERM, EXITED)
        elif name == "spot_kill_no_term":
            self._pods.kill(record, signal.SIGKILL, EXITED)
        elif name == "restart_loop":
            # Not asked for as far as the restart rate is concerned: the container died by itself.
            self._pods.processes.send(record.pid or 0, record.process_identity, signal.SIGKILL)
        else:
            status = {"disappear": TERMINATED, "error_status": ERROR, "exit_seconds": EXITED}[name]
            self._pods.end(record, status, signal.SIGKILL)

    def _adopt_stray(self, record: PodRecord) -> None:
        """A process can be running though the ledger does not know: the stand-in died between the two."""
        strays = self._pods.processes.marked(container.marker(record))
        leader = next((pid for pid in strays if leads_session(pid)), None)
        if leader is None:
            return
        record.pid, record.process_identity = leader, identity(leader)
        if record.is_live:
            record.status = RUNNING
            record.runtime_ready = True
            record.restart_at = None
            record.container_at = record.container_at or self._now()
        self._pods.save(record)

    def _mark_alive(self) -> None:
        now = self._now()
        due = self._alive_at is None or now - self._alive_at >= _ALIVE_INTERVAL
        if due and any(record.is_live for record in self._pods.by_id.values()):
            self._alive_at = now
            self._pods.ledger.mark(_ALIVE_MARK, now)
