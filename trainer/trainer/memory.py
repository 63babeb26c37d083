"""How much memory training takes, and the micro-batch that fits: pure arithmetic.

The terms are those of a decoder with gated feed-forward layers; the coefficients of one layer's activations
are
estimates, so the result is compared with SAFE_SHARE of what is free.
"""

from __future__ import annotations

from dataclasses import dataclass

SAFE_SHARE = 0.86
FIXED_BYTES = 1_500_000_000
# 4 bits, an 8-bit scale per 64 weights, an fp32 scale per 64 * 256 of them.
NF4_BYTES_PER_WEIGHT = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True)
class ModelShape:
    """What of a model's configuration decides its memory."""

    hidden: int
    layers: int
    intermediate: int
    key_value: int
    vocabulary: int
    tied: bool


@dataclass(frozen=True)
class BatchChoice:
    """Conversations per forward pass, and whether activations are recomputed to save memory."""

    micro_batch: int
    gradient_checkpointing: bool
    estimated_bytes: int
    fits: bool


def training_bytes(
    shape: ModelShape, rank: int, nf4: bool, value_bytes: int, tokens: int, gradient_checkpointing: bool
) -> int:
    """Bytes at the peak of one step over `tokens` tokens (padding included) with adapters on every linear
    layer."""
    h, kv, inner = shape.hidden, shape.key_value, shape.intermediate
    linear = shape.layers * (2 * h * h + 2 * h * kv + 3 * h * inner)
    embedding = shape.vocabulary * h * (1 if shape.tied else 2)
    weights = linear * (NF4_BYTES_PER_WEIGHT if nf4 else value_bytes) + embedding * value_bytes
    adapter = shape.layers * rank * (4 * h + 2 * (h + kv) + 3 * (h + inner))
    # fp32 weight and gradient; Adam's two moments in 8 bits beside 4-bit weights, else in fp32.
    adapter_bytes = adapter * (8 + (2 if nf4 else 8))
    one_layer = tokens * value_bytes * (10 * h + 6 * kv + 8 * inner)
    activations = (
        shape.layers * tokens * h * value_bytes + one_layer
        if gradient_checkpointing
        else shape.layers * one_layer
    )
    dequantised = 2 * h * max(h, inner) if nf4 else 0
    # Only supervised tokens reach the head, in chunks; half of the tokens is taken as the worst common case.
    logits = min(tokens // 2 + 1, 2048) * shape.vocabulary * (value_bytes + 12)
    return int(weights + adapter_bytes + activations + dequantised + logits + FIXED_BYTES)


def choose_batch(
    shape: ModelShape,
    rank: int,
    nf4: bool,
    value_bytes: int,
    longest_tokens: int,
    batch_size: int,
    free_bytes: int,
) -> BatchChoice:
    """The largest micro-batch up to `batch_size` that fits; recomputing activations only when it is needed.

    Keeping activations at a quarter of the batch size or more beats recomputing them at the full one.
    """
    sizes = sorted({batch_size, *(2**power for power in range(7) if 2**power < batch_size)}, reverse=True)
    budget = free_bytes * SAFE_SHARE

    def need(size: int, recompute: bool) -> int:
        return training_bytes(shape, rank, nf4, value_bytes, size * longest_tokens, recompute)

    for size in sizes:
        if size * 4 >= batch_size and need(size, False) <= budget:
            return BatchChoice(size, False, need(size, False), True)
    for size in sizes:
        if need(size, True) <= budget:
            return BatchChoice(size, True, need(size, True), True)
    return BatchChoice(1, True, need(1, True), False)
