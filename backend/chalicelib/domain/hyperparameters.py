"""Hyperparameters a caller may set: their bounds, what they mean, and the one check every request passes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chalicelib.domain.configuration import Hyperparameters

ATTENTION_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR_MODULES = (*ATTENTION_MODULES, "gate_proj", "up_proj", "down_proj")
SCHEDULERS = ("cosine", "linear", "constant")


@dataclass(frozen=True, slots=True)
class Limit:
    """Both ends included."""

    min: float
    max: float
    whole: bool = False


# Bounds of the API. Presets lie inside them; the trainer's job file enforces the same ones again.
LIMITS: Mapping[str, Limit] = {
    "learning_rate": Limit(1e-5, 1e-3),
    "batch_size": Limit(1, 64, whole=True),
    "gradient_accumulation_steps": Limit(1, 64, whole=True),
    "epochs": Limit(1, 20, whole=True),
    "rank": Limit(4, 128, whole=True),
    "alpha": Limit(1, 512, whole=True),
    "dropout": Limit(0, 0.5),
    "warmup_ratio": Limit(0, 0.5),
    "max_sequence_length": Limit(64, 131072, whole=True),
    "weight_decay": Limit(0, 1),
    "max_grad_norm": Limit(0.01, 100),
}
GPU_COUNT_LIMIT = Limit(1, 8, whole=True)

HELP: Mapping[str, str] = {
    "rank": "Rank (r): Number of trainable parameters - higher = more learning capacity but slower training",
    "learning_rate": (
        "Learning Rate: Speed of model updates - higher = faster learning but risk of instability"
    ),
    "epochs": "Epochs: Complete passes through dataset - more = better learning but diminishing returns",
    "batch_size": (
        "Batch Size: Training examples processed simultaneously - larger = faster but more memory"
    ),
    "gradient_accumulation_steps": (
        "Gradient Accumulation: Simulates larger batch sizes - higher = more stable gradients"
    ),
    "alpha": "Alpha: Scales what the adapter adds to the base model - usually twice the rank",
    "dropout": "Dropout: Share of adapter inputs left out at random - more = less overfitting",
    "warmup_ratio": "Warm-up: Share of the steps over which the learning rate rises to its full value",
    "scheduler": "Scheduler: How the learning rate falls after the warm-up - cosine is safe",
    "target_modules": "Target Modules: Layers with an adapter - all linear learn more, attention is lighter",
    "max_sequence_length": "Maximum Length: Tokens kept of one conversation - longer ones are cut",
    "weight_decay": "Weight Decay: Pulls adapter weights towards zero - rarely needed for LoRA",
    "max_grad_norm": "Gradient Clipping: Upper bound of one update - keeps odd rows from doing harm",
    "gpu_count": "Number of GPUs: Each holds the whole model and is billed; a step is divided among them, so more finish sooner",
}

_NAMES = tuple(field.name for field in fields(Hyperparameters))
_MAX_LISTED_PROBLEMS = 30


def overridden(
    base: Hyperparameters, overrides: Mapping[str, Any]
) -> tuple[Hyperparameters, dict[str, list[str]]]:
    """`base` with the caller's values, and what is wrong by field (`hyperparameters.epochs`); empty when
    fine.

    Values may be anything JSON can hold; None means "keep the preset's".
    """
    values: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for name, value in overrides.items():
        if value is None:
            continue
        checked, problem = _checked(name, value)
        if problem is None:
            values[name] = checked
        elif len(problems) < _MAX_LISTED_PROBLEMS:
            problems[f"hyperparameters.{name[:60]}"] = [problem]
    return (base if problems else replace(base, **values)), problems


def _checked(name: str, value: Any) -> tuple[Any, str | None]:
    if name in LIMITS:
        return _number(value, LIMITS[name])
    if name == "scheduler":
        known = isinstance(value, str) and value in SCHEDULERS
        return value, None if known else f"Choose one of {', '.join(SCHEDULERS)}."
    if name == "target_modules":
        return _modules(value)
    return None, f"Unknown hyperparameter. Known ones: {', '.join(_NAMES)}."


def _number(value: Any, limit: Limit) -> tuple[float | int | None, str | None]:
    kind = "a whole number" if limit.whole else "a number"
    wanted = f"Must be {kind} from {limit.min:g} to {limit.max:g}."
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, wanted
    if isinstance(value, float) and not math.isfinite(value):
        return None, wanted
    # Compared before any conversion: a JSON integer may be too large for a float.
    if not limit.min <= value <= limit.max or (limit.whole and value != int(value)):
        return None, wanted
    return (int(value) if limit.whole else float(value)), None


def _modules(value: Any) -> tuple[tuple[str, ...] | None, str | None]:
    wanted = f"Must be a list of one or more of {', '.join(ALL_LINEAR_MODULES)}."
    if not isinstance(value, list | tuple) or not value or len(value) > len(ALL_LINEAR_MODULES):
        return None, wanted
    if not all(isinstance(module, str) and module in ALL_LINEAR_MODULES for module in value):
        return None, wanted
    # Always in the order of the layer, so that equal choices compare equal.
    return tuple(module for module in ALL_LINEAR_MODULES if module in value), None
