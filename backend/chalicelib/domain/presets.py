"""Named sets of hyperparameters with the words that explain them, and the rules for which one to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.configuration import Hyperparameters
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.hyperparameters import ALL_LINEAR_MODULES, ATTENTION_MODULES, overridden

CUSTOM = "custom"
UNLOCK_AFTER_SUCCESSES = 3
UNLOCK_ABOVE_CONVERSATIONS = 300
UNLOCK_SENTENCE = "Unlock after 3 successful training runs"
_SMALL_DATASET_BELOW = 150


@dataclass(frozen=True, slots=True)
class Risk:
    level: str
    label: str
    tooltip: str


@dataclass(frozen=True, slots=True)
class Preset:
    """locked_at_first: offered only to experienced people or for large datasets, see `is_unlocked`."""

    id: str
    name: str
    description: str
    recommended_use: str
    risk: Risk
    hyperparameters: Hyperparameters
    locked_at_first: bool = False


LOW = Risk("low", "Low", "Minimal OOM risk, proven for most datasets, fastest completion")
MEDIUM = Risk("medium", "Medium", "Moderate complexity, requires good dataset quality, production-ready")
HIGH = Risk(
    "high",
    "High",
    "Highest quality potential, requires excellent dataset, longer training, experimentation recommended",
)


def _values(
    learning_rate: float,
    batch: tuple[int, int],
    epochs: int,
    rank: int,
    dropout: float,
    warmup_ratio: float,
    target_modules: tuple[str, ...],
) -> Hyperparameters:
    """Alpha is twice the rank, the schedule a cosine, in every preset. batch: (size, accumulation steps)."""
    return Hyperparameters(
        learning_rate=learning_rate,
        batch_size=batch[0],
        gradient_accumulation_steps=batch[1],
        epochs=epochs,
        rank=rank,
        alpha=2 * rank,
        dropout=dropout,
        warmup_ratio=warmup_ratio,
        scheduler="cosine",
        target_modules=target_modules,
    )


_BALANCED_VALUES = _values(2e-4, (2, 2), 3, 16, 0.1, 0.05, ALL_LINEAR_MODULES)

PRESETS: tuple[Preset, ...] = (
    Preset(
        "conservative",
        "Conservative",
        "Best for high-quality seed datasets and first training runs",
        "First training run, high-quality seed data, budget-conscious, quick validation",
        LOW,
        _values(1e-4, (4, 1), 2, 8, 0.05, 0.03, ATTENTION_MODULES),
    ),
    Preset(
        "balanced",
        "Balanced",
        "Production-ready configuration for most use cases",
        "Production models, proven reliability, standard datasets, client delivery",
        MEDIUM,
        _BALANCED_VALUES,
    ),
    Preset(
        "aggressive",
        "Aggressive",
        "Maximum quality for complex datasets, experimentation, when quality is paramount",
        "Complex emotional intelligence, maximum quality, research/experimentation, when budget allows",
        HIGH,
        _values(3e-4, (1, 4), 4, 32, 0.1, 0.05, ALL_LINEAR_MODULES),
        locked_at_first=True,
    ),
    Preset(
        "fast",
        "Fast",
        "Quick training for testing and iteration",
        "Optimized for speed, suitable for testing",
        LOW,
        _values(1e-4, (8, 1), 1, 8, 0.05, 0.03, ATTENTION_MODULES),
    ),
    Preset(
        "quality",
        "Quality",
        "Maximum quality for production models",
        "Slower and more expensive, but best results",
        MEDIUM,
        _values(3e-5, (2, 2), 5, 32, 0.1, 0.05, ALL_LINEAR_MODULES),
    ),
    Preset(
        CUSTOM,
        "Custom",
        "Set every hyperparameter yourself, starting from Balanced",
        "Experiments, and settings you know to work for your data",
        Risk(
            "medium",
            "Depends",
            "The risk is that of your values; the estimate shows time and memory",
        ),
        _BALANCED_VALUES,
    ),
)
_BY_ID: Mapping[str, Preset] = {preset.id: preset for preset in PRESETS}


def find(preset_id: str) -> Preset | None:
    return _BY_ID.get(preset_id)


def name_of(preset_id: str) -> str:
    """The name people read; the id itself for a preset this version no longer has."""
    preset = find(preset_id)
    return preset_id if preset is None else preset.name


def default_preset_id(conversations: int | None) -> str:
    """By size: under 150 conversations conservative, over 300 aggressive, else (or unknown) balanced."""
    if conversations is None:
        return "balanced"
    if conversations < _SMALL_DATASET_BELOW:
        return "conservative"
    return "aggressive" if conversations > UNLOCK_ABOVE_CONVERSATIONS else "balanced"


def is_unlocked(preset: Preset, *, successes: int, conversations: int | None) -> bool:
    """successes: completed jobs of the person who asks."""
    if not preset.locked_at_first or successes >= UNLOCK_AFTER_SUCCESSES:
        return True
    return conversations is not None and conversations > UNLOCK_ABOVE_CONVERSATIONS


def resolve(preset_id: str, overrides: Mapping[str, Any] | None = None) -> Hyperparameters:
    """The preset's values with the caller's own on top.

    ValidationFailed names `preset_id` or `hyperparameters.<name>`.
    """
    preset = find(preset_id)
    if preset is None:
        raise ValidationFailed({"preset_id": [f"Unknown preset. Choose one of {', '.join(_BY_ID)}."]})
    values, problems = overridden(preset.hyperparameters, overrides or {})
    if problems:
        raise ValidationFailed(problems)
    return values
