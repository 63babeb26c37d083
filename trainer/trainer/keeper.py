"""Decides when a checkpoint is due, stores it in the background, and tells the control plane once it is
stored."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer import events
from trainer.checkpoint import Checkpoint, local_checkpoints
from trainer.errors import SupersededError, UploadFailedError
from trainer.upload import Transfers

log = logging.getLogger(__name__)

Reason = Literal["interval", "pause", "finish", "cancel", "terminating"]
KEPT_LOCALLY = 2
FRESH_STEPS = 100


@dataclass(frozen=True)
class _Order:
    checkpoint: Checkpoint
    reason: Reason


class CheckpointKeeper:
    """Takes checkpoints on the training thread, uploads them on its own; of several waiting ones the newest
    wins."""

    def __init__(
        self, root: Path, transfers: Transfers, say: events.Say, every_steps: int, every_seconds: float
    ) -> None:
        self.root = root
        self._transfers = transfers
        self._say = say
        self._every_steps = every_steps
        self._every_seconds = every_seconds
        self._saved_step = 0
        self._saved_at = time.monotonic()
        self._changed = threading.Condition()
        self._waiting: _Order | None = None
        self._active: _Order | None = None
        self._stored_step: int | None = None
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        root.mkdir(parents=True, exist_ok=True)

    def start(self, resumed_step: int, stored_step: int | None) -> None:
        """Begin to upload; a resumed run counts from the step it resumed at."""
        self._saved_step, self._saved_at = resumed_step, time.monotonic()
        self._stored_step = stored_step
        self._thread.start()

    def due(self, step: int) -> bool:
        """Whether enough steps or time went by since the last one."""
        if step == self._saved_step:
            return False
        waited = time.monotonic() - self._saved_at
        return step - self._saved_step >= self._every_steps or waited >= self._every_seconds

    def fresh(self, step: int) -> bool:
        """Whether a stored or travelling checkpoint is near enough for a cancelled run to keep."""
        with self._changed:
            known = [
                self._stored_step,
                *(order.checkpoint.step for order in (self._active, self._waiting) if order),
            ]
        return any(at is not None and step - at < FRESH_STEPS for at in known)

    def take(self, reason: Reason, save: Callable[[], Checkpoint]) -> Checkpoint:
        """Save now and hand the result to the uploader."""
        checkpoint = save()
        self._saved_step, self._saved_at = checkpoint.step, time.monotonic()
        with self._changed:
            self._waiting = _Order(checkpoint, reason)
            self._changed.notify_all()
        self._forget_old()
        return checkpoint

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing is travelling; False when it took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._active, timeout_seconds)

    def store(self, checkpoint: Checkpoint, reason: Reason, deadline_seconds: float | None = None) -> None:
        """Upload one checkpoint on this thread and say so. Raises UploadFailedError or SupersededError."""
        started = time.monotonic()
        self._transfers.upload(checkpoint.storage_path, checkpoint.files, deadline_seconds)
        self._say(
            {
                "type": "checkpoint",
                "step": checkpoint.step,
                "path": checkpoint.storage_path,
                "reason": reason,
                "files": [file.entry() for file in checkpoint.files],
                "upload_seconds": round(time.monotonic() - started, 3),
                "state_sha256": checkpoint.state_sha256,
            },
            True,
        )
        with self._changed:
            self._stored_step = checkpoint.step

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None)
                self._active, self._waiting = self._waiting, None
            assert self._active is not None
            try:
                self.store(self._active.checkpoint, self._active.reason)
            except SupersededError:
                return
            except UploadFailedError as error:
                self._say(
                    events.note(
                        "warning", str(error), "checkpoint_not_stored", step=self._active.checkpoint.step
                    ),
                    True,
                )
            except Exception:
                # A file that vanished or a full disk must cost this checkpoint at most, not the run.
                log.exception("checkpoint upload failed")
                step = self._active.checkpoint.step
                message = f"The checkpoint at step {step} could not be stored; the next one will be tried."
                self._say(events.note("warning", message, "checkpoint_not_stored"), True)
            finally:
                with self._changed:
                    self._active = None
                    self._changed.notify_all()

    def _forget_old(self) -> None:
        with self._changed:
            used = {order.checkpoint.folder for order in (self._active, self._waiting) if order}
        for folder in local_checkpoints([self.root])[KEPT_LOCALLY:]:
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)
