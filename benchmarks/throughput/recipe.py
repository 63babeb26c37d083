"""The settings all trainers of the benchmark share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """One run: constant learning rate, AdamW, no decay, clipping at 1, LoRA on every linear layer."""

    trainer: str
    conversations: int
    seed: int
    batch_size: int = 8
    epochs: int = 1
    rank: int = 16
    learning_rate: float = 1e-3
    quantization: str = "none"
    batching: str | None = None
