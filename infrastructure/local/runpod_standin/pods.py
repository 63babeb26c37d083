"""Pods and what can be done to one: every change is in the ledger before it takes effect."""

from __future__ import annotations

import secrets
import signal
import string
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from runpod_standin import container
from runpod_standin.catalogue import CUDA_VERSION, GpuKind
from runpod_standin.ledger import Ledger
from runpod_standin.logbook import LogBook
from runpod_standin.processes import Processes, is_alive
from runpod_standin.records import RESTART, RUNNING, STARTING, TERMINATED, PodRecord, utc_now
from runpod_standin.settings import Settings

_ID_LETTERS = string.ascii_lowercase + string.digits
_LONGEST_RESTART_PAUSE_SECONDS = 10.0
# A container that lived shorter than this is in a crash loop, and the pause before its next start doubles.
_QUICK_EXIT_SECONDS = 10.0


class Pods:
    """All pods that ever lived, by id. Used from one thread."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        kinds: dict[str, GpuKind],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._now = now
        self.ledger = ledger
        self.kinds = kinds
        self.processes = Processes()
        self.logbook = LogBook(settings.state_dir / "pods", now)
        self.base_url = ""
        self.by_id: dict[str, PodRecord] = {record.id: record for record in ledger.records()}

    def price_usd(self, gpu_id: str, cloud: str, count: int) -> Decimal:
        """What a new pod would cost per hour."""
        return self.kinds[gpu_id].list_price_usd(cloud) * self.ledger.price_factor(gpu_id) * count

    def find(self, pod_id: str) -> PodRecord | None:
        """A pod that the API still shows; None once it is terminated."""
        record = self.by_id.get(pod_id)
        return record if record is not None and record.status != TERMINATED else None

    def owner_of(self, pod_key: str) -> PodRecord | None:
        """The pod that a pod-scoped key was issued to."""
        return next((p for p in self.by_id.values() if secrets.compare_digest(p.pod_key, pod_key)), None)

    def create(self, body: dict[str, Any], data_center_id: str) -> PodRecord:
        """Rents a pod: billed from this moment on. `body` is a checked create request."""
        now = self._now()
        pod_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(14))
        record = PodRecord(
            id=pod_id,
            sequence=len(self.by_id) + 1,
            name=body["name"],
            request=body,
            pod_key=f"rpa_{secrets.token_hex(20)}",
            gpu_id=body["gpu"]["id"],
            gpu_count=body["gpu"].get("count", 1),
            cloud=body.get("cloud", "SECURE"),
            data_center_id=data_center_id,
            cuda_version=CUDA_VERSION,
            created_at=now,
            phase_at=now,
        )
        (self.logbook.folder(pod_id) / "work").mkdir(parents=True)
        with self.ledger.transaction():
            self.ledger.save(record)
            self.ledger.open_span(pod_id, now, self.price_usd(record.gpu_id, record.cloud, record.gpu_count))
        self.by_id[pod_id] = record
        self.logbook.say(pod_id, f"create container {body.get('image', '')}")
        return record

    def save(self, record: PodRecord) -> None:
        with self.ledger.transaction():
            self.ledger.save(record)

    def end(
        self,
        record: PodRecord,
        status: str,
        number: signal.Signals = signal.SIGTERM,
        at: datetime | None = None,
    ) -> None:
        """Enters a status that is not billed, and signals the process if there is one."""
        now = at or self._now()
        record.status = status
        record.fate = status
        record.ended_at = now
        record.runtime_ready = False
        record.restart_at = None
        record.term_at = record.term_at or now
        with self.ledger.transaction():
            self.ledger.save(record)
            self.ledger.close_span(record.id, now)
        self.logbook.say(record.id, f"stop container: pod is {status}")
        self._signal(record, number)

    def kill(self, record: PodRecord, number: signal.Signals, fate: str) -> None:
        """Signals the process; the pod runs and is billed until it is gone, and then meets its fate."""
        record.fate = fate
        record.term_at = record.term_at or self._now()
        self.save(record)
        if record.pid is None and fate != RESTART:
            self.end(record, fate)
        else:
            self._signal(record, number)

    def start_again(self, record: PodRecord) -> None:
        """Billed again, from STARTING on. A process that is still dying is waited for there."""
        now = self._now()
        record.status = STARTING
        record.phase_at = now
        record.ended_at = None
        record.fate = None
        record.stuck = False
        with self.ledger.transaction():
            self.ledger.save(record)
            rate = self.price_usd(record.gpu_id, record.cloud, record.gpu_count)
            self.ledger.open_span(record.id, now, rate)

    def start_container(self, record: PodRecord) -> None:
        """Starts PID 1. What cannot be executed fails as on RunPod: RUNNING, and a line in the system log."""
        folder = self.logbook.folder(record.id)
        work = folder / "work"
        env = container.environment(record, self._settings, self.base_url, work)
        record.container_at = self._now()
        try:
            record.pid, record.process_identity = self.processes.start(
                self._settings.command, env, work, self.logbook.container_log(record.id)
            )
        except OSError as error:
            self.logbook.say(record.id, f"OCI runtime create failed: {error}")
            self._schedule_restart(record)
            return
        record.status = RUNNING
        record.runtime_ready = True
        record.restart_at = None
        record.term_at = None
        record.fate = None
        self.save(record)
        self.logbook.say(record.id, "start container")

    def bury(self, record: PodRecord) -> None:
        """After the process is gone: sweep what it left, then restart the container or end the pod."""
        assert record.pid is not None
        code = self.processes.reap(record.pid)
        self.processes.kill_marked(container.marker(record))
        self.logbook.say(record.id, f"container exited with code {'unknown' if code is None else code}")
        record.pid = record.process_identity = None
        fate = record.fate
        if record.status != RUNNING:
            # Ended already, or started again while the old process was still dying.
            self.save(record)
        elif fate is None or fate == RESTART:
            self._schedule_restart(record)
        else:
            self.end(record, fate)

    def change_price(self, gpu_id: str, factor: Decimal) -> None:
        """Multiplies the list price and what running pods of that type are billed from now on."""
        now = self._now()
        with self.ledger.transaction():
            self.ledger.set_price_factor(gpu_id, self.ledger.price_factor(gpu_id) * factor)
            for record in self.by_id.values():
                rate = self.ledger.open_rate(record.id)
                if record.gpu_id == gpu_id and rate:
                    self.ledger.open_span(record.id, now, rate * factor)

    def has_process(self, record: PodRecord) -> bool:
        return record.pid is not None and is_alive(record.pid, record.process_identity)

    def _signal(self, record: PodRecord, number: signal.Signals) -> None:
        if record.pid is not None:
            self.processes.send(record.pid, record.process_identity, number)

    def _schedule_restart(self, record: PodRecord) -> None:
        now = self._now()
        asked_for = record.fate == RESTART
        quick = not asked_for and record.uptime_since(now) < _QUICK_EXIT_SECONDS
        pause = self._settings.restart_seconds * 2 ** min(record.quick_exits, 10) if quick else 0.0
        record.quick_exits = record.quick_exits + 1 if quick else 0
        record.restarts += 1
        record.fate = record.term_at = None
        record.runtime_ready = True
        record.restart_at = now + timedelta(seconds=min(pause, _LONGEST_RESTART_PAUSE_SECONDS))
        self.save(record)
