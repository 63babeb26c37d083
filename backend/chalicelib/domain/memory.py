"""Whether a job fits a GPU, and in which micro-batches, before one is rented. docs/estimates.md.

The arithmetic is the trainer's own (training_memory); it decides again from the memory it really finds.
"""

from __future__ import annotations

from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.configuration import Hyperparameters
from chalicelib.domain.estimate import MemoryFit
from chalicelib.domain.training_memory import SAFE_SHARE, Plan, Shape, choose_batch, longest_that_fits

GIB = 2**30


def plan_of(shape: Shape, parameters: Hyperparameters, quantization: str) -> Plan:
    """quantization: nf4 (bf16 arithmetic, 8-bit moments) or none (fp32)."""
    four_bit = quantization == "nf4"
    return Plan(
        shape,
        parameters.rank,
        tuple(parameters.target_modules),
        four_bit=four_bit,
        eight_bit_optimizer=four_bit,
        value_bytes=2 if four_bit else 4,
    )


def fit(model: BaseModel, parameters: Hyperparameters, quantization: str, memory_gb: int) -> MemoryFit:
    """The largest micro-batch up to the batch size that fits one GPU; the effective batch is kept by
    accumulating.

    Assumes the longest conversation fills max_sequence_length, so the verdict is on the safe side.
    """
    plan = plan_of(model.shape, parameters, quantization)
    tokens = min(parameters.max_sequence_length, model.context_length)
    choice = choose_batch(plan, tokens, parameters.batch_size, memory_gb * GIB)
    needed_gb = choice.estimated_bytes / SAFE_SHARE / GIB
    if not choice.fits:
        shorter = longest_that_fits(plan, tokens, memory_gb * GIB)
        length = f"a maximum sequence length of {shorter}" if shorter else "a smaller base model"
        message = (
            f"Needs about {needed_gb:.0f} GB but the GPU has {memory_gb} GB. Choose a GPU with more memory, "
            f"{length} or a lower rank."
        )
        return MemoryFit(False, round(needed_gb, 1), memory_gb, 1, message)
    message = f"Needs about {needed_gb:.0f} GB of {memory_gb} GB."
    if choice.micro_batch < parameters.batch_size:
        message += (
            f" Runs in micro-batches of {choice.micro_batch}; the effective batch stays "
            f"{parameters.effective_batch}."
        )
    return MemoryFit(True, round(needed_gb, 1), memory_gb, choice.micro_batch, message)
