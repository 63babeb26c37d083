"""Builds the training session: fresh at step 0, or exactly where the newest usable checkpoint left off."""

from __future__ import annotations

import logging
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer import batches, checkpoint, events
from trainer.checkpoint import Checkpoint, CheckpointDamagedError
from trainer.config import Job
from trainer.data import Prepared
from trainer.evidence import Evidence, known_losses
from trainer.model import Loaded
from trainer.progress import Progress
from trainer.state import RandomState, capture_random
from trainer.upload import NotStoredError, Transfers, describe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Where training begins; stored_step is the step whose checkpoint storage has already."""

    progress: Progress
    generators: RandomState
    evidence: Evidence | None
    stored_step: int | None


def begin(
    job: Job,
    folder: Path,
    offered: dict[str, Any] | None,
    transfers: Transfers,
    loaded: Loaded,
    optimizer: torch.optim.Optimizer,
    prepared: Prepared,
    pinned: dict[str, Any],
    say: events.Say,
) -> Start:
    """Restore the newest checkpoint that is whole: a local one, the offered one, an older local one, or none.

    `offered` is the hello reply's checkpoint. Damaged ones are told about and skipped. Raises
    CheckpointMismatchError when
    one belongs to another run.
    """
    offered_step = int(offered["step"]) if offered else None
    # Attempts of one job are neighbours on the volume, so what a killed attempt saved last may still be here.
    neighbours = sorted(
        path for path in folder.parent.glob("*/checkpoints") if path.parent.parent.name == job.job_id
    )
    roots = [folder / "checkpoints", *(path for path in neighbours if path.parent != folder)]
    candidates = checkpoint.local_checkpoints(roots)
    newer = [path for path in candidates if offered_step is None or _step(path) > offered_step]
    older = [path for path in candidates if path not in newer]
    found = _restore_first(newer, loaded, optimizer, pinned, say)
    if found is None and offered is not None:
        fetched = _fetch(offered, folder / "checkpoints", transfers, say)
        found = _restore_first([fetched] if fetched else [], loaded, optimizer, pinned, say)
    if found is None:
        found = _restore_first(older, loaded, optimizer, pinned, say)
    if found is None:
        return _from_the_beginning(job, prepared, loaded)
    restored, progress, generators = found
    before = known_losses(
        sorted(
            {*folder.parent.glob(f"*/points-{job.job_id}.jsonl"), *folder.glob(f"points-{job.job_id}.jsonl")}
        )
    )
    say(events.note("info", f"Resumed from step {restored.step}", "resumed", step=restored.step), True)
    evidence = Evidence(restored.step, restored.state_sha256, before)
    if event := evidence.event() if not any(step > restored.step for step in before) else None:
        say(event, True)
    return Start(progress, generators, evidence, offered_step)


def plan_progress(job: Job, prepared: Prepared) -> Progress:
    """Progress at step 0 with the planned number of steps."""
    per_epoch = batches.steps_per_epoch(len(prepared.training), job.hyperparameters.effective_batch_size)
    return Progress(total_steps=per_epoch * job.hyperparameters.epochs, steps_per_epoch=per_epoch)


def _from_the_beginning(job: Job, prepared: Prepared, loaded: Loaded) -> Start:
    progress = plan_progress(job, prepared)
    progress.micro_batch, progress.packed = loaded.batch.micro_batch, loaded.packed
    torch.manual_seed(job.seed)
    random.seed(job.seed)
    np.random.seed(job.seed % 2**32)
    return Start(progress, capture_random(), None, None)


def _restore_first(
    folders: list[Path],
    loaded: Loaded,
    optimizer: torch.optim.Optimizer,
    pinned: dict[str, Any],
    say: events.Say,
) -> tuple[Checkpoint, Progress, RandomState] | None:
    for folder in folders:
        try:
            found = checkpoint.open_checkpoint(folder)
            progress, generators = checkpoint.restore(found, loaded, optimizer, pinned)
        except CheckpointDamagedError as error:
            _warn(say, _step(folder), str(error))
            continue
        return found, progress, generators
    return None


def _fetch(offered: dict[str, Any], root: Path, transfers: Transfers, say: events.Say) -> Path | None:
    """Download the offered checkpoint unless it is here already; None when storage no longer has it whole."""
    step = int(offered["step"])
    final = root / checkpoint.folder_name(step)
    wanted = {entry["name"]: entry["sha256"] for entry in offered["files"]}
    if final.is_dir() and {path.name: describe(path).sha256 for path in final.iterdir()} == wanted:
        return final
    temporary = root / f"{final.name}.download"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    say(events.note("info", "Recovering from checkpoint...", "recovering", step=step), True)
    try:
        for name, sha256 in wanted.items():
            transfers.download(f"checkpoint/{name}", temporary / name, sha256)
    except NotStoredError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        _warn(say, step, str(error))
        return None
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    return final


def _warn(say: events.Say, step: int, reason: str) -> None:
    message = f"The checkpoint at step {step} cannot be used ({reason}). Continuing from an earlier state."
    say(events.note("warning", message, "checkpoint_unusable", step=step), True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))
