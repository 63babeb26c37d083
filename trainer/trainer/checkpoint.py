"""One checkpoint on disk: a plain PEFT adapter plus everything needed to continue exactly where it was taken.

Files are written to a temporary folder, synced, and renamed, so a folder with its final name is always whole;
the
manifest's checksums tell when storage or a disk changed it later.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from trainer import __version__
from trainer.config import Job
from trainer.errors import CheckpointMismatchError
from trainer.model import Loaded
from trainer.progress import Progress
from trainer.state import (
    RandomState,
    optimizer_from_parts,
    optimizer_to_parts,
    random_from_parts,
    random_to_parts,
)
from trainer.upload import StoredFile, describe

ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
TENSORS_FILE = "trainer_state.safetensors"
STATE_FILE = "trainer_state.json"
MANIFEST_FILE = "manifest.json"
EXACT_FILES = (ADAPTER_FILE, TENSORS_FILE)


class CheckpointDamagedError(Exception):
    """A file is missing, unreadable, or not what the manifest says."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint folder. state_sha256 covers weights, optimizer, generators and step."""

    folder: Path
    step: int
    files: list[StoredFile]
    state_sha256: str

    @property
    def storage_path(self) -> str:
        """Where it is stored, below the attempt."""
        return f"checkpoints/{folder_name(self.step)}"


def folder_name(step: int) -> str:
    """Name of the folder of a step's checkpoint."""
    return f"step-{step:06d}"


def step_of(folder: Path) -> int:
    """The step of a checkpoint's folder, the inverse of folder_name. Raises ValueError for another folder."""
    return int(folder.name.removeprefix("step-"))


def pins(job: Job, image_digest: str | None, optimizer: str) -> dict[str, Any]:
    """What must be the same for a resumed run to be the same run."""
    chosen = json.dumps(vars(job.hyperparameters), sort_keys=True, default=list)
    return {
        "dataset_sha256": job.dataset.sha256,
        "base_model": f"{job.base_model.hub_id}@{job.base_model.revision}",
        "quantization": job.quantization,
        "optimizer": optimizer,
        "seed": job.seed,
        "hyperparameters_sha256": hashlib.sha256(chosen.encode()).hexdigest(),
        "trainer_version": __version__,
        "image_digest": image_digest,
    }


def write_adapter(loaded: Loaded, folder: Path, job: Job) -> None:
    """Write the adapter as PEFT reads it, naming the base by hub id and revision rather than by a local
    path."""
    from peft import get_peft_model_state_dict

    tensors = get_peft_model_state_dict(loaded.peft, save_embedding_layers=False)
    detached = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    save_file(detached, folder / ADAPTER_FILE, metadata={"format": "pt"})
    config = loaded.peft.peft_config["default"].to_dict()
    modules = config.get("target_modules")
    config |= {
        "base_model_name_or_path": job.base_model.hub_id,
        "revision": job.base_model.revision,
        "inference_mode": True,
        "target_modules": sorted(modules) if isinstance(modules, (set, list, tuple)) else modules,
    }
    text = json.dumps(config, indent=2, sort_keys=True, default=_plain) + "\n"
    (folder / ADAPTER_CONFIG_FILE).write_text(text, encoding="utf-8")


def save(
    root: Path,
    job: Job,
    loaded: Loaded,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    generators: RandomState,
    pinned: dict[str, Any],
) -> Checkpoint:
    """Write the checkpoint of `progress.step` below `root`. A whole one of the same step is that state already:
    it stays, since taking it away first would leave a moment with neither."""
    final = root / folder_name(progress.step)
    with contextlib.suppress(CheckpointDamagedError):
        return open_checkpoint(final)
    temporary = root / f"{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _write(temporary, job, loaded, optimizer, progress, generators, pinned)
    except BaseException:
        # A full disk needs what the half of it takes.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    _sync(root)
    return open_checkpoint(final)


def _write(
    folder: Path,
    job: Job,
    loaded: Loaded,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    generators: RandomState,
    pinned: dict[str, Any],
) -> None:
    write_adapter(loaded, folder, job)
    optimizer_tensors, optimizer_rest = optimizer_to_parts(optimizer)
    random_tensors, random_rest = random_to_parts(generators)
    save_file(optimizer_tensors | random_tensors, folder / TENSORS_FILE)
    state = {
        "pins": pinned,
        "progress": progress.to_json(),
        "optimizer": optimizer_rest,
        "random": random_rest,
    }
    (folder / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")
    manifest = {path.name: describe(path).sha256 for path in sorted(folder.iterdir())}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Check every file against the manifest. Raises CheckpointDamagedError."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        step = step_of(folder)
        files = [describe(folder / name) for name in sorted([*manifest, MANIFEST_FILE])]
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointDamagedError(f"{folder.name} cannot be read: {error}") from error
    for file in files:
        if manifest.get(file.path.name, file.sha256) != file.sha256:
            raise CheckpointDamagedError(f"{folder.name}/{file.path.name} differs from its checksum")
    if not {ADAPTER_FILE, ADAPTER_CONFIG_FILE, TENSORS_FILE, STATE_FILE} <= set(manifest):
        raise CheckpointDamagedError(f"{folder.name} is incomplete")
    exact = ":".join(manifest[name] for name in EXACT_FILES)
    return Checkpoint(folder, step, files, hashlib.sha256(f"{step}:{exact}".encode()).hexdigest())


def local_checkpoints(roots: Sequence[Path]) -> list[Path]:
    """Whole checkpoint folders below the roots, newest step first."""
    found = [
        path for root in roots if root.is_dir() for path in root.glob("step-*") if path.name[5:].isdigit()
    ]
    return sorted(found, key=lambda path: path.name, reverse=True)


def restore(
    checkpoint: Checkpoint, loaded: Loaded, optimizer: torch.optim.Optimizer, pinned: dict[str, Any]
) -> tuple[Progress, RandomState]:
    """Put a checkpoint's state into model and optimizer. Raises CheckpointMismatchError when a pin
    differs."""
    from peft import set_peft_model_state_dict

    try:
        state = json.loads((checkpoint.folder / STATE_FILE).read_text(encoding="utf-8"))
        require_same_pins(state["pins"], pinned, checkpoint.step)
        tensors = load_file(checkpoint.folder / TENSORS_FILE)
        generators = random_from_parts(tensors, state["random"])
        progress = Progress.from_json(state["progress"])
        adapter = load_file(checkpoint.folder / ADAPTER_FILE)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointDamagedError(f"{checkpoint.folder.name} cannot be read: {error}") from error
    set_peft_model_state_dict(loaded.peft, adapter)
    optimizer_from_parts(optimizer, tensors, state["optimizer"])
    return progress, generators


def require_same_pins(written: dict[str, Any], wanted: dict[str, Any], step: int) -> None:
    """Raises CheckpointMismatchError naming every pin that differs; an unknown image digest matches any."""
    names = [
        name
        for name, value in wanted.items()
        if written.get(name) != value and not (name == "image_digest" and None in (value, written.get(name)))
    ]
    if names:
        raise CheckpointMismatchError(
            f"The checkpoint at step {step} was made with another "
            f"{', '.join(name.replace('_', ' ') for name in names)}. "
            "Continuing would not give the same model. Start a new job, or restore what was changed and "
            "resume.",
            differing=names,
        )


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
