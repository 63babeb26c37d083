"""From what a caller asks for to a checked configuration: every problem at once, each under its field's
name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain import base_models, catalogue, presets
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.configuration import Configuration, GpuChoice
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.gpu import Tier
from chalicelib.domain.hyperparameters import GPU_COUNT_LIMIT


@dataclass(frozen=True, slots=True)
class ConfigurationRequest:
    """As it came in: strings may name nothing we know. hyperparameters: the caller's own, over the
    preset's.
    """

    preset_id: str
    base_model_id: str
    gpu_type: str
    gpu_count: int
    tier: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 42
    export_merged: bool = False


@dataclass(frozen=True, slots=True)
class Configured:
    configuration: Configuration
    model: BaseModel
    card: GpuCard


def configure(request: ConfigurationRequest, cards: Sequence[GpuCard], local_models: bool) -> Configured:
    """ValidationFailed with `preset_id`, `hyperparameters.*`, `base_model`, `gpu.type`, `gpu.count`,
    `gpu.tier`.
    """
    problems: dict[str, list[str]] = {}
    values = None
    try:
        values = presets.resolve(request.preset_id, request.hyperparameters)
    except ValidationFailed as error:
        problems.update(error.details)
    model = next(
        (each for each in base_models.offered(local_models) if each.id == request.base_model_id), None
    )
    if model is None:
        problems["base_model"] = ["Unknown base model. Choose one from the catalogue."]
    card, gpu_problems = _card(request, cards)
    problems.update(gpu_problems)
    asked_length = request.hyperparameters.get("max_sequence_length")
    if model is not None and values is not None and asked_length and asked_length > model.context_length:
        problems["hyperparameters.max_sequence_length"] = [
            f"{model.name} reads at most {model.context_length:,} tokens."
        ]
    if problems or values is None or model is None or card is None:
        raise ValidationFailed(problems)
    # The preset's length is a wish; what the caller asked for itself was checked above.
    values = replace(values, max_sequence_length=min(values.max_sequence_length, model.context_length))
    gpu = GpuChoice(card.type.id, card.type.name, request.gpu_count, Tier(request.tier))
    chosen = Configuration(
        request.preset_id,
        values,
        gpu,
        model.id,
        model.quantization,
        request.seed,
        request.export_merged,
    )
    return Configured(chosen, model, card)


def _card(
    request: ConfigurationRequest, cards: Sequence[GpuCard]
) -> tuple[GpuCard | None, dict[str, list[str]]]:
    card = catalogue.card_of(cards, request.gpu_type)
    if card is None or not card.offered:
        names = ", ".join(each.type.id for each in cards if each.offered)
        return None, {"gpu.type": [f"The provider does not offer this GPU type. Choose one of: {names}."]}
    problems: dict[str, list[str]] = {}
    most = min(int(GPU_COUNT_LIMIT.max), card.max_count)
    if not GPU_COUNT_LIMIT.min <= request.gpu_count <= most:
        problems["gpu.count"] = [f"Must be a whole number from 1 to {most} for {card.type.name}."]
    if request.tier not in {tier.value for tier in card.prices}:
        tiers = " or ".join(tier.value for tier in card.prices)
        problems["gpu.tier"] = [f"{card.type.name} is offered as {tiers} only."]
    return card, problems
