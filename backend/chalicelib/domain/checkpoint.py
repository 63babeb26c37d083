"""A stored state of training that a run can go on from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# Kept beside the newest one; each has all it takes to continue.
EARLIER_CHECKPOINTS = 2


def attempt_prefix(job_id: str, attempt: int) -> str:
    """Where an attempt may write, and nowhere else."""
    return f"jobs/{job_id}/attempts/{attempt}/"


def checkpoint_prefix(job_id: str, attempt: int, path: str) -> str:
    """Where the files of a checkpoint are. path: as the trainer announced it."""
    return f"{attempt_prefix(job_id, attempt)}{path}/"


@dataclass(frozen=True, slots=True)
class StoredFile:
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint. path: under jobs/{job}/attempts/{attempt}/. revision: of the progress row when it was
    announced; points of later steps came after that of the checkpoint before."""

    step: int
    attempt: int
    path: str
    files: tuple[StoredFile, ...]
    at: datetime
    reason: str = "interval"
    revision: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)
