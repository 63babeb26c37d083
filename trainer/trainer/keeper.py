"""Decides when a checkpoint is due, stores it in the background, and tells the control plane once it is
stored."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer import events
from trainer.checkpoint import Checkpoint, folder_name, local_checkpoints
from trainer.errors import SupersededError, UploadFailedError, is_disk_full
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
        self._saved_step = self._asked_step = 0
        self._saved_at = time.monotonic()
        self._changed = threading.Condition()
        self._waiting: _Order | None = None
        self._active: _Order | None = None
        self._stored_step: int | None = None
        self._ended = False
        self._disk_full = False
        self._outage = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        root.mkdir(parents=True, exist_ok=True)

    def start(self, resumed_step: int, stored_step: int | None) -> None:
        """Begin to upload; a resumed run counts from the step it resumed at."""
        self._saved_step, self._saved_at = resumed_step, time.monotonic()
        self._stored_step = stored_step
        self._thread.start()

    def due(self, step: int) -> bool:
        """Whether enough steps or time went by since the last one."""
        self._asked_step = step
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

    def take(self, reason: Reason, save: Callable[[], Checkpoint]) -> Checkpoint | None:
        """Save now and hand the result to the uploader; None where the disk has no room for it even without the
        checkpoints that are stored already. Training goes on then, and the next one is tried."""
        checkpoint = self.saved(save)
        self._saved_at = time.monotonic()
        if checkpoint is None:
            # Not before as many steps or seconds as after a success: trying costs time too.
            self._saved_step = self._asked_step
            return None
        self._saved_step = checkpoint.step
        with self._changed:
            self._waiting = _Order(checkpoint, reason)
            self._changed.notify_all()
        self._forget(local_checkpoints([self.root])[KEPT_LOCALLY:])
        return checkpoint

    def saved(self, save: Callable[[], Checkpoint]) -> Checkpoint | None:
        """Save, at the cost of stored checkpoints' local copies where the disk is full; None where even that does
        not help, which is told about once."""
        for kept in (KEPT_LOCALLY, 0):
            try:
                checkpoint = save()
            except Exception as error:
                if not is_disk_full(error):
                    raise
                log.warning("no room for a checkpoint", exc_info=True)
                if kept:
                    self._make_room()
            else:
                self._disk_full = False
                return checkpoint
        if not self._disk_full:
            self._disk_full = True
            message = (
                f"The pod's disk is full, so a checkpoint could not be written. {self._newest()} Training goes on; "
                "the next checkpoint will be tried. Choose a larger disk for the next job."
            )
            self._say(events.note("warning", message, "disk_full"), True)
        return None

    def _newest(self) -> str:
        with self._changed:
            step = self._stored_step
        return f"The newest stored one is of step {step}." if step is not None else "None is stored yet."

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing is travelling; False when it took too long, or nothing travels any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or (not self._waiting and not self._active), timeout_seconds
            )
            return not self._ended and not self._waiting and not self._active

    def stored(self, step: int) -> bool:
        """Whether the checkpoint of this step has reached storage."""
        with self._changed:
            return self._stored_step == step

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
        try:
            while self._store_next():
                continue
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _store_next(self) -> bool:
        """Wait for one order and carry it out; False once another attempt has taken over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None)
            self._active, self._waiting = self._waiting, None
        assert self._active is not None
        try:
            self._carry_out(self._active)
        except SupersededError:
            return False
        except Exception:
            # A bug here must cost checkpoints at worst, never the run.
            log.exception("checkpoint upload failed")
        finally:
            with self._changed:
                self._active = None
                self._changed.notify_all()
        return True

    def _carry_out(self, order: _Order) -> None:
        step = order.checkpoint.step
        try:
            self.store(order.checkpoint, order.reason)
        except UploadFailedError as error:
            self._not_stored(step, str(error.data.get("cause", error)))
        except OSError as error:
            # A file that vanished, or a disk that cannot be read.
            self._not_stored(step, f"Its files could not be read: {error}.")
        else:
            self._stored_again(step)

    def _not_stored(self, step: int, cause: str) -> None:
        """One warning for an outage, however many checkpoints it costs."""
        log.warning("the checkpoint of step %d is not stored: %s", step, cause)
        if self._outage:
            return
        self._outage = True
        message = (
            f"The checkpoint of step {step} could not be stored. {self._newest()} Training goes on and the next "
            f"checkpoint will be tried. Cause: {cause}"
        )
        self._say(events.note("warning", message, "checkpoint_not_stored", step=step), True)

    def _stored_again(self, step: int) -> None:
        if self._outage:
            self._outage = False
            message = f"Checkpoints are stored again, the newest of step {step}."
            self._say(events.note("info", message, "checkpoint_stored_again", step=step), True)

    def _make_room(self) -> None:
        with self._changed:
            stored = -1 if self._stored_step is None else self._stored_step
        folders = local_checkpoints([self.root])
        self._forget([folder for folder in folders if folder.name <= folder_name(stored)])

    def _forget(self, folders: Sequence[Path]) -> None:
        with self._changed:
            used = {order.checkpoint.folder for order in (self._active, self._waiting) if order}
        for folder in folders:
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)
