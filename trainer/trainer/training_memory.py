"""How much memory training takes, and the micro-batch that fits: pure arithmetic, explained in docs/estimates.md.

One file for both sides: the backend's package holds it as a link, so that the fit it promises before a GPU is rented
is the one the trainer finds there. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What may be filled: the terms below give 86 % of the card at the longest contexts others have published for it.
SAFE_SHARE = 0.86
# CUDA's context, cuBLAS's workspaces and fragmentation.
GPU_FIXED_BYTES = 1_500_000_000
# What the first steps on a CPU load and keep, measured: docs/trainer-results.md.
CPU_FIXED_BYTES = 60_000_000
# 4 bits, an 8-bit scale per 64 weights, and an fp32 scale per 256 of those.
NF4_BYTES_PER_WEIGHT = 0.5 + 1 / 64 + 4 / (64 * 256)
FP32_BYTES = 4
# Logits exist for so many tokens at once.
HEAD_CHUNK_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder with gated feed-forward layers. attention and key_value: heads x head size."""

    hidden: int
    layers: int
    intermediate: int
    attention: int
    key_value: int
    vocabulary: int
    tied: bool

    @property
    def linear_parameters(self) -> int:
        """Weights of all q, k, v, o, gate, up and down projections."""
        attention = 2 * self.hidden * (self.attention + self.key_value)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def embedding_parameters(self) -> int:
        """Weights of the embedding and, unless it is the same, of the head."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """Without norms and biases, which are well under a thousandth."""
        return self.linear_parameters + self.embedding_parameters

    def module_shapes(self) -> Mapping[str, tuple[int, int]]:
        """(in, out) of every layer's adaptable projections."""
        h, inner = self.hidden, self.intermediate
        return {
            "q_proj": (h, self.attention),
            "k_proj": (h, self.key_value),
            "v_proj": (h, self.key_value),
            "o_proj": (self.attention, h),
            "gate_proj": (h, inner),
            "up_proj": (h, inner),
            "down_proj": (inner, h),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What besides the shape decides the memory of a run. value_bytes: 2 (bf16) or 4 (fp32) of what is computed."""

    shape: Shape
    rank: int
    target_modules: tuple[str, ...]
    four_bit: bool
    eight_bit_optimizer: bool
    value_bytes: int
    fixed_bytes: int = GPU_FIXED_BYTES


@dataclass(frozen=True, slots=True)
class BatchChoice:
    """Conversations per forward pass, and whether activations are recomputed to save memory."""

    micro_batch: int
    gradient_checkpointing: bool
    estimated_bytes: int
    fits: bool


def adapter_parameters(shape: Shape, rank: int, target_modules: Sequence[str]) -> int:
    """Weights of the two low-rank factors on every targeted projection of every layer."""
    sizes = shape.module_shapes()
    chosen = (
        sizes
        if "all-linear" in target_modules
        else {each: sizes[each] for each in target_modules if each in sizes}
    )
    return shape.layers * rank * sum(sum(size) for size in chosen.values())


def weight_bytes(plan: Plan) -> float:
    """The frozen model: projections in 4 bits or whole, embedding and head whole."""
    each = NF4_BYTES_PER_WEIGHT if plan.four_bit else plan.value_bytes
    return plan.shape.linear_parameters * each + plan.shape.embedding_parameters * plan.value_bytes


def adapter_bytes(plan: Plan) -> int:
    """fp32 weight and gradient of the adapters, and Adam's two moments in fp32 or 8 bits."""
    moments = 2 if plan.eight_bit_optimizer else 2 * FP32_BYTES
    return adapter_parameters(plan.shape, plan.rank, plan.target_modules) * (2 * FP32_BYTES + moments)


def layer_bytes(plan: Plan, tokens: int) -> int:
    """What one layer keeps for its backward pass.

    Two norms keep their input in fp32 and their output is kept for the projections (4 h); attention keeps query, key,
    value and its output twice (3 a + 2 kv); the feed-forward part keeps gate, activated gate, up and their product
    (4 i). Counted in PyTorch by tests/trainer/test_memory.py.
    """
    shape = plan.shape
    kept = 2 * shape.hidden + 3 * shape.attention + 2 * shape.key_value + 4 * shape.intermediate
    return tokens * (kept * plan.value_bytes + 2 * shape.hidden * FP32_BYTES)


def passing_bytes(plan: Plan, tokens: int) -> int:
    """What comes and goes within one layer's backward pass: gradients of the feed-forward part, weights made whole."""
    shape = plan.shape
    gradients = tokens * plan.value_bytes * (3 * shape.intermediate + 2 * shape.hidden)
    whole = shape.hidden * max(shape.hidden, shape.intermediate) * plan.value_bytes if plan.four_bit else 0
    return gradients + whole


def head_bytes(plan: Plan, tokens: int) -> int:
    """Logits in fp32, and in the computed type where that is another one, a chunk at a time; half of the tokens
    carrying loss is taken as the usual case."""
    chunk = min(tokens // 2 + 1, HEAD_CHUNK_TOKENS)
    computed = plan.value_bytes if plan.value_bytes < FP32_BYTES else 0
    return chunk * plan.shape.vocabulary * (FP32_BYTES + computed)


def needed_bytes(plan: Plan, tokens: int, recompute: bool) -> int:
    """Bytes at the peak of a step over rows of `tokens` tokens, padding included."""
    layers, boundary = plan.shape.layers, tokens * plan.shape.hidden * plan.value_bytes
    kept = layers * boundary + layer_bytes(plan, tokens) if recompute else layers * layer_bytes(plan, tokens)
    passing = max(passing_bytes(plan, tokens), head_bytes(plan, tokens))
    return int(weight_bytes(plan) + adapter_bytes(plan) + kept + passing + plan.fixed_bytes)


def micro_batches(batch_size: int) -> list[int]:
    """Sizes that keep the effective batch: the batch size and its divisors, largest first."""
    return [size for size in range(batch_size, 0, -1) if batch_size % size == 0]


def choose_batch(plan: Plan, longest_tokens: int, batch_size: int, free_bytes: int) -> BatchChoice:
    """The largest micro-batch that fits in SAFE_SHARE of what is free; recomputing activations only when needed.

    Keeping activations at a quarter of the batch size or more beats recomputing them at the full one.
    """
    budget = free_bytes * SAFE_SHARE
    sizes = micro_batches(batch_size)

    def need(size: int, recompute: bool) -> int:
        return needed_bytes(plan, size * longest_tokens, recompute)

    for size in sizes:
        if size * 4 >= batch_size and need(size, False) <= budget:
            return BatchChoice(size, False, need(size, False), True)
    for size in sizes:
        if need(size, True) <= budget:
            return BatchChoice(size, True, need(size, True), True)
    return BatchChoice(1, True, need(1, True), False)


def longest_that_fits(plan: Plan, most_tokens: int, free_bytes: int) -> int | None:
    """The longest conversation, in steps of 128 tokens up to `most_tokens`, that fits one at a time; None: not even
    128."""
    lengths = range(128, most_tokens + 1, 128)
    fitting = [each for each in lengths if needed_bytes(plan, each, True) <= free_bytes * SAFE_SHARE]
    return fitting[-1] if fitting else None
