"""Makes the training session out of a pod, a dataset and a model, and arranges what happens on a termination
signal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from trainer import checkpoint, events, resume
from trainer.checkpoint import CheckpointDamagedError
from trainer.config import Job
from trainer.data import Prepared
from trainer.errors import SupersededError, UploadFailedError
from trainer.evidence import Evidence, PointLog
from trainer.group import Group, Solo
from trainer.keeper import CheckpointKeeper
from trainer.model import Loaded
from trainer.pod import Pod
from trainer.progress import Progress
from trainer.report import Hello
from trainer.resources import Machine
from trainer.state import RandomState

PAUSE_UPLOAD_SECONDS = 3600.0


@dataclass
class Session:
    """Everything the loop works on. `generators` belongs to the last step boundary, `boundary` guards that
    state."""

    job: Job
    loaded: Loaded
    prepared: Prepared
    machine: Machine
    optimizer: torch.optim.Optimizer
    progress: Progress
    generators: RandomState
    pinned: dict[str, Any]
    keeper: CheckpointKeeper
    points: PointLog
    say: events.Say
    command: Callable[[], str]
    check: Callable[[], None]
    cost_usd: Callable[[], float]
    evidence: Evidence | None = None
    group: Group = field(default_factory=Solo)
    boundary: threading.Lock = field(default_factory=threading.Lock)
    halved: bool = False
    status_at: float = 0.0

    def save(self) -> checkpoint.Checkpoint:
        """Write the state of the last step boundary. Also called from the thread that answers a termination
        signal."""
        with self.boundary:
            return checkpoint.save(
                self.keeper.root,
                self.job,
                self.loaded,
                self.optimizer,
                self.progress,
                self.generators,
                self.pinned,
            )


def make_optimizer(job: Job, loaded: Loaded, machine: Machine) -> torch.optim.Optimizer:
    """AdamW over the adapters. The 8-bit one keeps the moments of tensors under 4,096 elements in fp32, as
    bitsandbytes does by itself: they are small and quantise badly."""
    rate, decay = job.hyperparameters.learning_rate, job.hyperparameters.weight_decay
    if job.optimizer_on(machine.on_gpu) == "adamw_8bit":
        from bitsandbytes.optim.adamw import AdamW8bit

        optimizer: torch.optim.Optimizer = AdamW8bit(loaded.trainable, lr=rate, weight_decay=decay)  # type: ignore[no-untyped-call]
        return optimizer
    return torch.optim.AdamW(loaded.trainable, lr=rate, weight_decay=decay)


def open_session(pod: Pod, machine: Machine, prepared: Prepared, loaded: Loaded, hello: Hello) -> Session:
    """Start at step 0 or resume; the checkpoint keeper runs from here on."""
    job, say = pod.job, pod.report.say
    optimizer = make_optimizer(job, loaded, machine)
    pinned = checkpoint.pins(job, pod.environment.image_digest, job.optimizer_on(machine.on_gpu))
    root = pod.folder / "checkpoints"
    keeper = CheckpointKeeper(
        root, pod.transfers, say, job.checkpoint_every_steps, job.checkpoint_every_seconds
    )
    start = resume.begin(job, pod.folder, hello, pod.transfers, loaded, optimizer, prepared, pinned, say)
    keeper.start(start.progress.step, start.stored_step)
    session = Session(
        job=job,
        loaded=loaded,
        prepared=prepared,
        machine=machine,
        optimizer=optimizer,
        progress=start.progress,
        generators=start.generators,
        pinned=pinned,
        keeper=keeper,
        points=PointLog(pod.folder / f"points-{job.job_id}.jsonl"),
        say=say,
        command=lambda: pod.report.command,
        check=pod.check,
        cost_usd=pod.cost_usd,
        evidence=start.evidence,
        group=pod.group,
    )
    pod.save_on_termination = lambda deadline: save_at_once(session, deadline)
    pod.settle = lambda: keeper.wait(PAUSE_UPLOAD_SECONDS) and keeper.stored(session.progress.step)
    return session


def save_at_once(session: Session, deadline: float) -> None:
    """Save the last step boundary, and store it too when it is small enough for the time left (a monotonic
    deadline)."""
    if session.progress.step == 0:
        return
    folder = session.keeper.root / checkpoint.folder_name(session.progress.step)
    try:
        saved = _whole(folder) or session.keeper.saved(session.save)
        if saved is not None:
            session.keeper.store(saved, "terminating", max(0.0, deadline - time.monotonic()))
    except (UploadFailedError, SupersededError):
        # The folder stays where it is; a volume that outlives the pod still has it.
        return


def _whole(folder: Path) -> checkpoint.Checkpoint | None:
    """What lies there already; saving would have to wait for the training thread."""
    try:
        return checkpoint.open_checkpoint(folder)
    except CheckpointDamagedError:
        return None
