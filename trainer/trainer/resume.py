"""Builds the training session: fresh at step 0, or exactly where the newest usable checkpoint left off."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer import batches, checkpoint, events
from trainer.checkpoint import Checkpoint, CheckpointDamagedError
from trainer.config import Job
from trainer.data import Prepared
from trainer.evidence import Evidence, known_losses
from trainer.model import Loaded
from trainer.progress import Progress
from trainer.report import Hello
from trainer.state import RandomState, capture_random, seed_random
from trainer.upload import NotStoredError, Transfers, describe


@dataclass(frozen=True)
class Start:
    """Where training begins; stored_step is the step whose checkpoint storage has already."""

    progress: Progress
    generators: RandomState
    evidence: Evidence | None
    stored_step: int | None


@dataclass(frozen=True)
class _Candidate:
    """A checkpoint that may be continued from; `folder()` brings it to this disk or raises NotStoredError."""

    step: int
    stored: bool
    folder: Callable[[], Path]


def begin(
    job: Job,
    folder: Path,
    hello: Hello,
    transfers: Transfers,
    loaded: Loaded,
    optimizer: torch.optim.Optimizer,
    prepared: Prepared,
    pinned: dict[str, Any],
    say: events.Say,
) -> Start:
    """Restore the newest checkpoint that is whole, be it on this disk or among those the control plane offers.

    Each one that cannot be used is told about, and the one before it is tried; after the last, training starts
    over. Raises CheckpointMismatchError when one belongs to another run.
    """
    candidates = _candidates(job, folder, hello, transfers, say)
    for position, candidate in enumerate(candidates):
        try:
            found = checkpoint.open_checkpoint(candidate.folder())
            progress, generators = checkpoint.restore(found, loaded, optimizer, pinned)
        except (CheckpointDamagedError, NotStoredError) as error:
            _warn(say, candidate.step, str(error), candidates[position + 1 :])
            continue
        say(events.note("info", f"Resumed from step {found.step}", "resumed", step=found.step), True)
        evidence = _evidence(job, folder, hello, found, say)
        stored = [each.step for each in candidates[position:] if each.stored]
        return Start(progress, generators, evidence, stored[0] if stored else None)
    return _from_the_beginning(job, prepared, loaded)


def plan_progress(job: Job, prepared: Prepared) -> Progress:
    """Progress at step 0 with the planned number of steps."""
    per_epoch = batches.steps_per_epoch(len(prepared.training), job.hyperparameters.effective_batch_size)
    return Progress(total_steps=per_epoch * job.hyperparameters.epochs, steps_per_epoch=per_epoch)


def _from_the_beginning(job: Job, prepared: Prepared, loaded: Loaded) -> Start:
    progress = plan_progress(job, prepared)
    progress.micro_batch, progress.packed = loaded.batch.micro_batch, loaded.packed
    seed_random(job.seed)
    return Start(progress, capture_random(), None, None)


def _candidates(
    job: Job, folder: Path, hello: Hello, transfers: Transfers, say: events.Say
) -> list[_Candidate]:
    """Everything that may be continued from, newest step first; of one step the stored one before a local copy."""
    # Attempts of one job are neighbours on the volume, so what a killed attempt saved last may still be here.
    neighbours = sorted(
        path for path in folder.parent.glob("*/checkpoints") if path.parent.parent.name == job.job_id
    )
    roots = [folder / "checkpoints", *(path for path in neighbours if path.parent != folder)]
    local = [
        _Candidate(checkpoint.step_of(path), False, _here(path))
        for path in checkpoint.local_checkpoints(roots)
    ]
    stored = [
        _Candidate(int(offer["step"]), True, _fetching(offer, folder / "checkpoints", transfers, say))
        for offer in hello.checkpoints
    ]
    return sorted([*stored, *local], key=lambda each: (-each.step, not each.stored))


def _here(path: Path) -> Callable[[], Path]:
    return lambda: path


def _fetching(offer: dict[str, Any], root: Path, transfers: Transfers, say: events.Say) -> Callable[[], Path]:
    return lambda: _fetch(offer, root, transfers, say)


def _fetch(offer: dict[str, Any], root: Path, transfers: Transfers, say: events.Say) -> Path:
    """Download an offered checkpoint unless it is here already. Raises NotStoredError when storage no longer has
    it whole."""
    step = int(offer["step"])
    final = root / checkpoint.folder_name(step)
    wanted = {entry["name"]: entry["sha256"] for entry in offer["files"]}
    if final.is_dir() and {path.name: describe(path).sha256 for path in final.iterdir()} == wanted:
        return final
    temporary = root / f"{final.name}.download"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    say(events.note("info", "Recovering from checkpoint...", "recovering", step=step), True)
    try:
        for name, sha256 in wanted.items():
            transfers.download(f"checkpoint/{final.name}/{name}", temporary / name, sha256)
    except NotStoredError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    return final


def _evidence(job: Job, folder: Path, hello: Hello, found: Checkpoint, say: events.Say) -> Evidence:
    """The losses that steps after the checkpoint had when they ran before, as this disk and the control plane
    know them."""
    logs = sorted(
        {*folder.parent.glob(f"*/points-{job.job_id}.jsonl"), *folder.glob(f"points-{job.job_id}.jsonl")}
    )
    before = hello.reported_losses | known_losses(logs)
    evidence = Evidence(found.step, found.state_sha256, before)
    if event := evidence.event() if not any(step > found.step for step in before) else None:
        say(event, True)
    return evidence


def _warn(say: events.Say, step: int, reason: str, left: list[_Candidate]) -> None:
    then = f"Trying the one at step {left[0].step}." if left else "Training starts again from step 0."
    message = f"The checkpoint at step {step} cannot be used: {reason}. {then}"
    say(events.note("warning", message, "checkpoint_unusable", step=step), True)
