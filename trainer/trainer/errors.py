"""Ways a training run ends early, each with a sentence for the person who pays for it."""

from __future__ import annotations

import errno
from typing import Any, Literal

EndReason = Literal[
    "out_of_memory",
    "bad_dataset",
    "bad_configuration",
    "model_unavailable",
    "diverged",
    "upload_failed",
    "checkpoint_mismatch",
    "trainer_crashed",
    "disk_full",
]
StopCause = Literal["paused", "cancelled", "silence"]


class TrainerError(Exception):
    """The run cannot go on; `end_reason` is what the job fails with, the message is what its owner reads."""

    end_reason: EndReason = "trainer_crashed"

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.data = data


class MemoryExhaustedError(TrainerError):
    """The model, its adapters and one example do not fit the GPU."""

    end_reason = "out_of_memory"


class BadDatasetError(TrainerError):
    """The training file cannot be used as it is."""

    end_reason = "bad_dataset"


class BadConfigurationError(TrainerError):
    """The job file asks for something impossible."""

    end_reason = "bad_configuration"


class ModelUnavailableError(TrainerError):
    """The base model could not be found, downloaded or read."""

    end_reason = "model_unavailable"


class DivergedError(TrainerError):
    """The loss became useless; going on would only cost money."""

    end_reason = "diverged"


class UploadFailedError(TrainerError):
    """Files could not be stored after every retry."""

    end_reason = "upload_failed"


class CheckpointMismatchError(TrainerError):
    """The checkpoint belongs to another dataset, model, seed, configuration or code."""

    end_reason = "checkpoint_mismatch"


class DiskFullError(TrainerError):
    """No room is left on the pod's disk."""

    end_reason = "disk_full"


class ForeignStackError(Exception):
    """Carries another process's traceback as its text; it is the cause of an error, never raised alone."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class SupersededError(Exception):
    """Another attempt of the job has taken over: stop at once and touch nothing."""


class StoppedError(Exception):
    """The run ends before its last step because it was told to, or because nobody listens any more."""

    def __init__(self, cause: StopCause) -> None:
        super().__init__(cause)
        self.cause: StopCause = cause


def is_disk_full(error: BaseException) -> bool:
    """Whether no room was left to write; safetensors says so in words only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "os error 28" in str(error) or "os error 122" in str(error)
