"""Why a job ended: one total table from what happened to the final status and to the sentence a user reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EndReason(StrEnum):
    COMPLETED = "completed"
    USER_CANCELLED = "user_cancelled"
    PAUSE_EXPIRED = "pause_expired"
    SPEND_CAP = "spend_cap"
    LOW_GPU = "low_gpu"
    HARD_CAP = "hard_cap"
    OUT_OF_MEMORY = "out_of_memory"
    BAD_DATASET = "bad_dataset"
    BAD_CONFIGURATION = "bad_configuration"
    MODEL_UNAVAILABLE = "model_unavailable"
    DIVERGED = "diverged"
    UPLOAD_FAILED = "upload_failed"
    CHECKPOINT_MISMATCH = "checkpoint_mismatch"
    DISK_FULL = "disk_full"
    TRAINER_CRASHED = "trainer_crashed"
    PROVIDER_LOST = "provider_lost"
    NO_CAPACITY = "no_capacity"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_BALANCE = "provider_balance"
    CANNOT_START = "cannot_start"
    AGENT_SILENT = "agent_silent"
    DEADLINE_PASSED = "deadline_passed"
    ARTIFACTS_INCOMPLETE = "artifacts_incomplete"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class _Row:
    status: str
    title: str
    sentence: str


_TABLE: Mapping[EndReason, _Row] = {
    EndReason.COMPLETED: _Row(
        "completed", "Completed", "Training completed; the adapter is ready to download."
    ),
    EndReason.USER_CANCELLED: _Row("cancelled", "Cancelled", "Cancelled on request."),
    EndReason.PAUSE_EXPIRED: _Row(
        "cancelled",
        "Paused too long",
        "Paused for longer than checkpoints are kept, so the job can no longer be resumed.",
    ),
    EndReason.SPEND_CAP: _Row(
        "completed",
        "Stopped at the spend cap",
        "The spend cap was near: training was saved, evaluated and exported before it was reached.",
    ),
    EndReason.LOW_GPU: _Row(
        "completed",
        "Stopped: GPU nearly idle",
        "The GPU had little to do and the job asked to stop then: training was saved, evaluated and exported early.",
    ),
    EndReason.HARD_CAP: _Row(
        "failed",
        "Spend cap reached",
        "The spend cap was reached before the adapter could be exported. The last checkpoint holds a usable adapter.",
    ),
    EndReason.OUT_OF_MEMORY: _Row(
        "failed",
        "Out of Memory",
        "The GPU ran out of memory. Use a smaller batch size, a shorter maximum sequence length or a GPU with more memory.",
    ),
    EndReason.BAD_DATASET: _Row(
        "failed",
        "Unusable dataset",
        "The dataset could not be used for training. Correct the file and start again.",
    ),
    EndReason.BAD_CONFIGURATION: _Row(
        "failed",
        "Unusable configuration",
        "The configuration could not be used for training. Change it and start again.",
    ),
    EndReason.MODEL_UNAVAILABLE: _Row(
        "failed",
        "Base model unavailable",
        "The base model could not be loaded. Check that its licence was accepted and the hub token is set.",
    ),
    EndReason.DIVERGED: _Row(
        "failed",
        "Training diverged",
        "The loss became unusable, so training was stopped. Lower the learning rate.",
    ),
    EndReason.UPLOAD_FAILED: _Row(
        "failed",
        "Upload failed",
        "Results could not be uploaded to storage. Start the job again from its checkpoint.",
    ),
    EndReason.CHECKPOINT_MISMATCH: _Row(
        "failed",
        "Checkpoint does not match",
        "The checkpoint belongs to another dataset, base model or configuration. Start a new job.",
    ),
    EndReason.DISK_FULL: _Row(
        "failed", "Disk full", "The pod's disk was full. Start the job again with more disk."
    ),
    EndReason.TRAINER_CRASHED: _Row(
        "failed", "Trainer crashed", "The trainer stopped with an unexpected error."
    ),
    EndReason.PROVIDER_LOST: _Row(
        "failed",
        "GPU lost too often",
        "The provider took the GPU away more often than the job may recover. The last checkpoint is kept.",
    ),
    EndReason.NO_CAPACITY: _Row(
        "failed", "No GPU available", "No GPU could be rented in time. Choose another GPU or tier."
    ),
    EndReason.PROVIDER_REFUSED: _Row(
        "failed", "GPU provider refused", "The GPU provider refused the request."
    ),
    EndReason.PROVIDER_BALANCE: _Row(
        "failed",
        "Provider account out of funds",
        "The GPU provider's account is out of funds. Add funds, then start again.",
    ),
    EndReason.CANNOT_START: _Row(
        "failed", "Trainer cannot start", "The trainer's image cannot be started on a rented machine."
    ),
    EndReason.AGENT_SILENT: _Row(
        "failed", "Trainer silent", "The trainer stopped reporting and could not be brought back."
    ),
    EndReason.DEADLINE_PASSED: _Row(
        "failed", "Took too long", "A step took longer than its deadline, so it was stopped."
    ),
    EndReason.ARTIFACTS_INCOMPLETE: _Row(
        "failed", "Files missing", "A file of the result is missing in storage, so no model was made of it."
    ),
    EndReason.INTERNAL_ERROR: _Row(
        "failed", "Internal error", "Something went wrong on our side. The GPU was released."
    ),
}

# The state machine's error name -> reason. A name that is not here is an internal error.
_OF_ERROR: Mapping[str, EndReason] = {
    "": EndReason.COMPLETED,
    "JobCancelled": EndReason.USER_CANCELLED,
    "HardCapReached": EndReason.HARD_CAP,
    "PodLostTooOften": EndReason.PROVIDER_LOST,
    "PodCannotStart": EndReason.CANNOT_START,
    "NoCapacity": EndReason.NO_CAPACITY,
    "DeadlinePassed": EndReason.DEADLINE_PASSED,
    "States.Timeout": EndReason.DEADLINE_PASSED,
    "States.HeartbeatTimeout": EndReason.AGENT_SILENT,
    "ArtifactsIncomplete": EndReason.ARTIFACTS_INCOMPLETE,
    "ProviderRefusedRequest": EndReason.PROVIDER_REFUSED,
    "ProviderKeyRefused": EndReason.PROVIDER_REFUSED,
    "ProviderAccessDenied": EndReason.PROVIDER_REFUSED,
    "ProviderBalanceTooLow": EndReason.PROVIDER_BALANCE,
    "ProviderThrottled": EndReason.NO_CAPACITY,
    "ProviderUnavailable": EndReason.NO_CAPACITY,
    "ProviderReplyLost": EndReason.NO_CAPACITY,
}


def of_error(error: str, trainer_reason: str | None = None) -> EndReason:
    """What the error name of a failed wait or step means; `TrainingFailed` carries the trainer's own reason."""
    if error == "TrainingFailed":
        try:
            return EndReason(trainer_reason or "trainer_crashed")
        except ValueError:
            return EndReason.TRAINER_CRASHED
    return _OF_ERROR.get(error, EndReason.INTERNAL_ERROR)


def status_of(reason: EndReason) -> str:
    return _TABLE[reason].status


def title(reason: EndReason) -> str:
    return _TABLE[reason].title


def sentence(reason: EndReason, detail: str = "") -> str:
    """The table's sentence, followed by what was found in this very case."""
    base = _TABLE[reason].sentence
    return f"{base} {detail}".strip()
