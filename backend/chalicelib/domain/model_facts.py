"""What a training summary says of the model, bounded so that the record stays small whatever the data
holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chalicelib.domain import quality
from chalicelib.domain.model import ModelMetrics, RowLoss, Sample, TrainingFacts
from chalicelib.domain.quality import Quality

# A record must stay under the store's 400 KB even when every character takes four bytes.
MOST_SAMPLES = 10
MOST_TEXT_CHARACTERS = 1500
MOST_ROWS = 20
MOST_EXCERPT_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class ModelFacts:
    quality: Quality
    metrics: ModelMetrics
    training: TrainingFacts
    samples: tuple[Sample, ...]
    worst_rows: tuple[RowLoss, ...]
    regressed_rows: tuple[RowLoss, ...]


def from_summary(summary: Mapping[str, Any], cost_usd: Decimal) -> ModelFacts:
    """summary: contracts/training_summary.schema.json, already checked against it."""
    validation_loss = quality.loss(summary, "validation_loss")
    tokens = summary.get("tokens") or {}
    return ModelFacts(
        quality=quality.score(summary),
        metrics=ModelMetrics(
            base_validation_loss=quality.loss(summary, "base_validation_loss"),
            validation_loss=validation_loss,
            training_loss=quality.loss(summary, "training_loss"),
            perplexity=quality.perplexity(validation_loss),
        ),
        training=TrainingFacts(
            epochs=float(summary["epochs"]),
            steps=int(summary["steps"]),
            total_steps=int(summary["total_steps"]),
            duration_seconds=round(float(summary["training_seconds"])),
            cost_usd=cost_usd,
            tokens=int(tokens.get("trained", 0)),
            ended_by=str(summary["ended_by"]),
        ),
        samples=tuple(_sample(row) for row in list(summary.get("samples") or ())[:MOST_SAMPLES]),
        worst_rows=_rows(summary.get("worst_rows")),
        regressed_rows=_rows(summary.get("regressed_rows")),
    )


def _sample(row: Mapping[str, Any]) -> Sample:
    def text(name: str) -> str:
        return _cut(str(row.get(name) or ""), MOST_TEXT_CHARACTERS)

    def optional(name: str) -> str | None:
        return None if row.get(name) is None else text(name)

    return Sample(text("prompt"), optional("system"), optional("reference"), text("base"), text("adapter"))


def _rows(rows: Sequence[Mapping[str, Any]] | None) -> tuple[RowLoss, ...]:
    return tuple(
        RowLoss(
            int(row["line"]),
            float(row["base_loss"]),
            float(row["loss"]),
            _cut(str(row["excerpt"]), MOST_EXCERPT_CHARACTERS),
        )
        for row in list(rows or ())[:MOST_ROWS]
        if quality.loss(row, "base_loss") is not None and quality.loss(row, "loss") is not None
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
