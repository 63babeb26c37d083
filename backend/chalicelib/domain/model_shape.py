"""The dimensions of a decoder, and the parameter counts that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
