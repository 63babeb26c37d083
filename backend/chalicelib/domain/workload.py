"""How much there is to compute and how long that takes before any job has been measured. See
docs/estimates.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.catalogue import GpuType
from chalicelib.domain.configuration import Hyperparameters

# Model FLOP/s utilisation: 34-45 % were published for 4-bit LoRA on A100, see docs/estimates.md.
MFU = 0.35
# Forward, recomputed forward and the backward pass through frozen weights: 2 FLOPs each per parameter and
# token.
FLOPS_PER_PARAMETER_AND_TOKEN = 6
# What each GPU after the first adds to the speed of one. Adapters are small, so little is exchanged, but shares of
# a step are never quite equal. Not measured; see docs/estimates.md.
SCALING_EFFICIENCY = 0.9

TRAINING_TENTHS = 8
UNKNOWN_CONVERSATIONS = 1000
UNKNOWN_PAIRS = 1000
UNKNOWN_TOKENS_PER_PAIR = 200

START_SECONDS = 600
VALIDATION_SECONDS_PER_EPOCH = 300
FINAL_SAVE_SECONDS = 300
_POD_SECONDS = 300
_DOWNLOAD_BYTES_PER_SECOND = 250e6
_BYTES_PER_PARAMETER = 2
_STEP_SECONDS = 0.1
# Reading the base, adding the adapter and storing the result, one after another. Assumed; see docs/estimates.md.
MERGED_BYTES_PER_SECOND = 50e6

_LOCAL_START_SECONDS = 20
_LOCAL_FINAL_SECONDS = 20
# Validation needs the forward pass alone: half the work where nothing is recomputed.
_VALIDATION_SPEEDUP = 2


@dataclass(frozen=True, slots=True)
class Workload:
    """tokens: of the whole dataset once; training_tokens: of the training split over all epochs.
    done_steps: of a checkpoint that is gone on from."""

    tokens: int
    training_tokens: int
    steps_per_epoch: int
    epochs: int
    conversations_per_step: int
    done_steps: int = 0

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.epochs

    @property
    def share_left(self) -> float:
        return 1 - min(self.done_steps, self.total_steps) / self.total_steps if self.total_steps else 1.0

    @property
    def validation_tokens(self) -> int:
        return self.tokens - self.tokens * TRAINING_TENTHS // 10


def measure(
    conversations: int | None,
    training_pairs: int | None,
    tokens: int | None,
    parameters: Hyperparameters,
    done_steps: int = 0,
) -> Workload:
    """The batch plan of the trainer: a step takes `effective_batch` conversations of the 80 % training split.

    Unknown sizes count as 1,000 conversations and 1,000 pairs of 200 tokens.
    """
    rows = conversations or UNKNOWN_CONVERSATIONS
    if tokens is None:
        tokens = (training_pairs or UNKNOWN_PAIRS) * UNKNOWN_TOKENS_PER_PAIR
    tokens = min(tokens, rows * parameters.max_sequence_length)
    training_rows = max(1, rows - max(1, round(rows * (10 - TRAINING_TENTHS) / 10)))
    return Workload(
        tokens=tokens,
        training_tokens=tokens * TRAINING_TENTHS * parameters.epochs // 10,
        steps_per_epoch=math.ceil(training_rows / parameters.effective_batch),
        epochs=parameters.epochs,
        conversations_per_step=min(parameters.effective_batch, training_rows),
        done_steps=done_steps,
    )


def gpus_used(work: Workload, model: BaseModel, gpu_count: int) -> int:
    """GPUs that have something to do: a step is divided by conversations. Local models train in one process."""
    return 1 if model.local else min(gpu_count, work.conversations_per_step)


def tokens_per_second(model: BaseModel, gpu: GpuType, used: int) -> float:
    """Prior training speed: MFU x peak FLOP/s / (6 x parameters) x (1 + efficiency x (used GPUs - 1)); for local
    models the measured CPU speed."""
    if model.cpu_tokens_per_second is not None:
        return model.cpu_tokens_per_second
    flops = MFU * gpu.peak_tflops * 1e12 * (1 + SCALING_EFFICIENCY * (used - 1))
    return flops / (FLOPS_PER_PARAMETER_AND_TOKEN * model.parameters)


def merged_bytes(model: BaseModel) -> int:
    """Size of a merged model, which keeps the base's half precision."""
    return model.parameters * _BYTES_PER_PARAMETER


def prior_seconds(
    work: Workload, model: BaseModel, gpu: GpuType, gpu_count: int, merged: bool = False
) -> float:
    """Billed seconds from renting the pod to its end: start-up, training, validation, final save, and a merged
    model where one is wanted. Of training and validation, what a checkpoint leaves to do."""
    left = work.share_left
    speed = tokens_per_second(model, gpu, gpus_used(work, model, gpu_count))
    training = left * work.training_tokens / speed + merged * merged_bytes(model) / MERGED_BYTES_PER_SECOND
    if model.local:
        validation = (left * work.epochs + 1) * work.validation_tokens / (speed * _VALIDATION_SPEEDUP)
        return _LOCAL_START_SECONDS + training + validation + _LOCAL_FINAL_SECONDS
    download = model.parameters * _BYTES_PER_PARAMETER / _DOWNLOAD_BYTES_PER_SECOND
    start = max(START_SECONDS, _POD_SECONDS + download)
    validation = left * work.epochs * VALIDATION_SECONDS_PER_EPOCH
    return start + training + left * work.total_steps * _STEP_SECONDS + validation + FINAL_SAVE_SECONDS
