"""Puts one pod's parts together and holds what they share: the voice, the transfers, the signals, the end."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from trainer import __version__, events
from trainer.config import Address, Environment, Job, parse_address
from trainer.dead_man import DeadMan, PodIdentity, delete_own_pod
from trainer.errors import StoppedError, SupersededError
from trainer.group import Group, Solo
from trainer.report import Hello, Reporter
from trainer.resources import Machine
from trainer.signals import BUDGET_SECONDS
from trainer.spool import Spool
from trainer.upload import Transfers
from trainer.webhooks import ControlPlane

log = logging.getLogger(__name__)

NOTICE_SECONDS = 1.0


@dataclass
class Pod:
    """What the recipe works with. `save_on_termination` is set while there is something to save,
    `settle` waits for checkpoints on their way and says whether the newest step is stored."""

    job: Job
    environment: Environment
    folder: Path
    report: Reporter
    transfers: Transfers
    dead_man: DeadMan
    started_at: float
    save_on_termination: Callable[[float], None] | None = None
    settle: Callable[[], bool] | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    group: Group = field(default_factory=Solo)

    def check(self) -> None:
        """Raise StoppedError or SupersededError when this run must not go on. Cheap; called often."""
        if self.report.superseded.is_set():
            raise SupersededError("superseded")
        if self.report.command == "cancel":
            raise StoppedError("cancelled")
        if self.report.command == "pause":
            raise StoppedError("paused")
        if self.dead_man.expired.is_set():
            raise StoppedError("silence")

    def told_to_finish(self) -> bool:
        """Whether the spend cap is near: no more work than handing over what there is."""
        return self.report.command == "finish"

    def cost_usd(self) -> float:
        """What the job has cost: earlier attempts, plus this one's time at the pod's rate."""
        hours = (time.time() - self.started_at) / 3600
        return round(float(self.job.spent_usd) + hours * float(self.job.hourly_rate_usd), 6)

    def hello(self, machine: Machine) -> Hello | None:
        """Introduce this process; None when nobody answered until the dead man's time was over."""
        gpu = None
        if machine.gpu_name:
            gpu = {
                "name": machine.gpu_name,
                "count": machine.gpu_count,
                "memory_gb": round(machine.gpu_memory_gb, 1),
            }
        body = {
            "trainer_version": __version__,
            "process": uuid.uuid4().hex,
            "image_digest": self.environment.image_digest,
            "gpu": gpu,
        }
        return self.report.hello(body, self.dead_man.expired.is_set)

    def outcome(self) -> str | None:
        """How an earlier process of this attempt ended, if it did."""
        return outcome_of(self.folder, self.job.attempt)

    def conclude(self, outcome: str) -> None:
        """Remember the end, so that a restarted container does not train again."""
        temporary = self._outcome_path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps({"outcome": outcome}), encoding="utf-8")
            temporary.replace(self._outcome_path)
        except OSError as error:
            log.warning("cannot note the outcome %s: %s", outcome, error)
        self.save_on_termination = None
        self.ended.set()

    def terminate(self) -> None:
        """The answer to SIGTERM: say so, save what is useful, all within the budget."""
        deadline = time.monotonic() + BUDGET_SECONDS - 0.3
        if self.ended.is_set():
            return
        message = "The provider is taking this machine away; saving the current state."
        self.report.say(events.note("stopping", message, "sigterm"), True)
        self.report.send_now(NOTICE_SECONDS)
        try:
            if self.save_on_termination is not None:
                self.save_on_termination(deadline)
        finally:
            self.report.send_now(max(0.1, min(NOTICE_SECONDS, deadline - time.monotonic())))
            self.group.dismiss()

    @property
    def _outcome_path(self) -> Path:
        return _outcome_path(self.folder, self.job.attempt)


def outcome_of(folder: Path, attempt: int) -> str | None:
    """How an attempt ended whose work folder this is; None while it has not."""
    path = _outcome_path(folder, attempt)
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["outcome"]) if path.exists() else None
    except (OSError, ValueError, KeyError):
        return None


def _outcome_path(folder: Path, attempt: int) -> Path:
    return folder / f"outcome-{attempt}.json"


@contextmanager
def open_pod(job: Job, environment: Environment, group: Group | None = None) -> Iterator[Pod]:
    """Connect a pod: clients, spool, reporting and dead man."""
    folder = _work_folder(environment.work_dir_for(job))
    address = parse_address(environment.job_text)
    with httpx.Client() as client, httpx.Client() as storage:
        plane = ControlPlane(job.api_url, job.job_id, environment.secret, client)
        spool = Spool(folder / f"spool-{job.attempt}.jsonl")
        report = Reporter(plane, address, spool, job.report_interval_seconds, job.watched_interval_seconds)
        transfers = Transfers(
            plane, address, storage, base_seconds=min(1.0, job.watched_interval_seconds / 5)
        )
        # Whatever is being retried must give up as soon as another attempt owns the job.
        report.superseded = transfers.cancelled
        identity = PodIdentity(environment.provider_url, environment.pod_id, environment.pod_key)
        dead_man = DeadMan(
            lambda: report.silent_seconds, job.dead_man_seconds, lambda: delete_own_pod(identity, client)
        )
        pod = Pod(job, environment, folder, report, transfers, dead_man, _attempt_started_at(folder, job))
        pod.group = group or pod.group
        dead_man.start()
        try:
            yield pod
        finally:
            report.close()
            dead_man.close()


def _work_folder(wanted: Path) -> Path:
    """The folder, or a temporary one where its disk takes nothing: the run then fails with a word of it."""
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.error("cannot make %s: %s", wanted, error)
        return Path(tempfile.mkdtemp())
    return wanted


def report_bad_job(environment: Environment, message: str) -> None:
    """Tell the control plane that the job file cannot be used, when at least its address can be read."""
    address: Address = parse_address(environment.job_text)
    with httpx.Client() as client:
        plane = ControlPlane(address.api_url, address.job_id, environment.secret, client)
        spool = Spool(Path(tempfile.mkdtemp()) / "spool.jsonl")
        report = Reporter(plane, address, spool, 15.0, 5.0)
        body: dict[str, Any] = {
            "trainer_version": __version__,
            "image_digest": environment.image_digest,
            "gpu": None,
        }
        give_up_at = time.monotonic() + 300
        if report.hello(body, lambda: time.monotonic() > give_up_at) is None:
            return
        report.start()
        report.say(events.error("bad_configuration", message, None, None, {}), True)
        report.flush(300)
        report.close()


def _attempt_started_at(folder: Path, job: Job) -> float:
    """Unix time of the attempt's first process: a restarted container has cost money before."""
    path = folder / f"started-{job.attempt}.json"
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["started_at"])
    except (OSError, ValueError, KeyError):
        now = time.time()
    try:
        path.write_text(json.dumps({"started_at": now}), encoding="utf-8")
    except OSError as error:
        log.warning("cannot note when this attempt began: %s", error)
    return now
