"""How far training is and what it has counted; part of every checkpoint, so counters survive
interruptions."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

CURVE_POINTS = 200


@dataclass
class Progress:
    """Counters after `step` optimizer steps. Losses are mean nats per supervised token. `micro_batch` and `packed`
    are how the run batches: a resumed run goes on as it began."""

    step: int = 0
    total_steps: int = 0
    steps_per_epoch: int = 1
    tokens: int = 0
    supervised_tokens: int = 0
    training_seconds: float = 0.0
    micro_batch: int = 0
    packed: bool = False
    losses: list[float] = field(default_factory=list)
    base_row_losses: list[float] | None = None
    base_validation_loss: float | None = None
    validation_loss: float | None = None
    best_validation_loss: float | None = None
    validated_step: int | None = None
    non_finite_in_a_row: int = 0
    exploding_steps: int = 0
    on_plateau: bool = False

    @property
    def epoch(self) -> float:
        """Epochs done, with fraction."""
        return self.step / self.steps_per_epoch

    @property
    def finished(self) -> bool:
        """Whether every planned step is done."""
        return self.step >= self.total_steps

    def validated(self, loss: float) -> None:
        """Take a validation loss at the current step into account."""
        self.validation_loss = loss
        self.validated_step = self.step
        best = self.best_validation_loss
        self.best_validation_loss = loss if best is None or math.isnan(best) else min(best, loss)

    def final_training_loss(self) -> float | None:
        """Mean of the last tenth of the steps; None before the first."""
        tail = [loss for loss in self.losses[-max(1, len(self.losses) // 10) :] if math.isfinite(loss)]
        return sum(tail) / len(tail) if tail else None

    def curve(self) -> list[list[float]]:
        """At most CURVE_POINTS points [step, loss], evenly spread, first and last included."""
        count = len(self.losses)
        if count <= CURVE_POINTS:
            chosen = list(range(count))
        else:
            chosen = [round(at * (count - 1) / (CURVE_POINTS - 1)) for at in range(CURVE_POINTS)]
        return [[at + 1, self.losses[at]] for at in chosen if math.isfinite(self.losses[at])]

    def to_json(self) -> dict[str, Any]:
        """For the checkpoint; a loss that is not finite is written as null."""
        value = asdict(self)
        value["losses"] = [loss if math.isfinite(loss) else None for loss in self.losses]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Progress:
        """The inverse of to_json."""
        losses = [math.nan if loss is None else float(loss) for loss in value["losses"]]
        return cls(**{**value, "losses": losses})
