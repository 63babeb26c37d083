"""How much GPU memory training needs, and the micro-batch that fits: pure arithmetic, explained in
docs/estimates.md.

The trainer decides again from the memory it really finds; both use the same terms, so what is promised here
holds there.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.configuration import Hyperparameters
from chalicelib.domain.estimate import MemoryFit
from chalicelib.domain.model_shape import Shape

GIB = 2**30
FIXED_BYTES = 1_500_000_000
# What may be filled: the formula gives 86 % of the card at the longest contexts others have published for it.
SAFE_SHARE = 0.86
# 4 bits, an 8-bit scale per 64 weights, and an fp32 scale per 256 of those.
NF4_BYTES_PER_WEIGHT = 0.5 + 1 / 64 + 4 / (64 * 256)
_LOGIT_CHUNK_TOKENS = 2048


def adapter_parameters(shape: Shape, rank: int, target_modules: Sequence[str]) -> int:
    """Weights of the two low-rank factors on every targeted projection of every layer."""
    sizes = shape.module_shapes()
    return shape.layers * rank * sum(sum(sizes[module]) for module in target_modules)


def needed_bytes(
    shape: Shape, parameters: Hyperparameters, quantization: str, micro_batch: int, tokens_per_row: int
) -> int:
    """Bytes at the peak of one step, activations recomputed.

    quantization: nf4 (bf16 arithmetic) or none (fp32). tokens_per_row: of the longest conversation.
    """
    four_bit = quantization == "nf4"
    value_bytes = 2 if four_bit else 4
    tokens = micro_batch * tokens_per_row
    weight_bytes = NF4_BYTES_PER_WEIGHT if four_bit else value_bytes
    weights = shape.linear_parameters * weight_bytes + shape.embedding_parameters * value_bytes
    # fp32 weight and gradient; Adam's two moments in 8 bits beside 4-bit weights, else in fp32.
    adapter_bytes = 8 + (2 if four_bit else 8)
    adapters = adapter_parameters(shape, parameters.rank, parameters.target_modules) * adapter_bytes
    one_layer = tokens * value_bytes * (10 * shape.hidden + 6 * shape.key_value + 8 * shape.intermediate)
    activations = shape.layers * tokens * shape.hidden * value_bytes + one_layer
    dequantised = 2 * shape.hidden * max(shape.hidden, shape.intermediate) if four_bit else 0
    logits = min(tokens // 2 + 1, _LOGIT_CHUNK_TOKENS) * shape.vocabulary * (value_bytes + 12)
    return int(weights + adapters + activations + dequantised + logits + FIXED_BYTES)


def fit(model: BaseModel, parameters: Hyperparameters, quantization: str, memory_gb: int) -> MemoryFit:
    """The largest micro-batch up to the batch size that fits one GPU; the effective batch is kept by
    accumulating.

    Assumes the longest conversation fills max_sequence_length, so the verdict is on the safe side.
    """
    tokens_per_row = min(parameters.max_sequence_length, model.context_length)
    budget = memory_gb * GIB * SAFE_SHARE
    sizes = [size for size in range(parameters.batch_size, 0, -1) if parameters.batch_size % size == 0]
    for size in sizes:
        needed = needed_bytes(model.shape, parameters, quantization, size, tokens_per_row)
        if needed <= budget:
            return _fitting(needed / SAFE_SHARE / GIB, memory_gb, size, parameters)
    needed_gb = round(needed / SAFE_SHARE / GIB, 1)
    message = (
        f"Needs about {needed_gb:.0f} GB but the GPU has {memory_gb} GB. Choose a GPU with more memory, "
        "a smaller base model, a lower rank or a shorter maximum sequence length."
    )
    return MemoryFit(False, needed_gb, memory_gb, 1, message)


def _fitting(needed_gb: float, memory_gb: int, size: int, parameters: Hyperparameters) -> MemoryFit:
    message = f"Needs about {needed_gb:.0f} GB of {memory_gb} GB."
    if size < parameters.batch_size:
        message += (
            f" Runs in micro-batches of {size}; the effective batch stays {parameters.effective_batch}."
        )
    return MemoryFit(True, round(needed_gb, 1), memory_gb, size, message)
