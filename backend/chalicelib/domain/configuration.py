"""What a user may ask for: hyperparameters, GPU, base model. Validated once, then frozen into the job."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.gpu import Tier


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    learning_rate: float
    batch_size: int
    gradient_accumulation_steps: int
    epochs: int
    rank: int
    alpha: int
    dropout: float
    warmup_ratio: float
    scheduler: str
    target_modules: tuple[str, ...]
    max_sequence_length: int = 2048
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0

    @property
    def effective_batch(self) -> int:
        return self.batch_size * self.gradient_accumulation_steps


@dataclass(frozen=True, slots=True)
class GpuChoice:
    """`type` is the provider's exact id, `name` what people read."""

    type: str
    name: str
    count: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Configuration:
    preset_id: str
    hyperparameters: Hyperparameters
    gpu: GpuChoice
    base_model_id: str
    quantization: str
    seed: int = 42
    export_merged: bool = False
