"""The quality score: 0 to 5 stars in half steps, of three parts that each say why.

The thresholds and their reasons stand in docs/quality-score.md; to adjust the score, change this module and
that page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

_LARGEST_LOSS = 1e100
UNKNOWN_SCORE = 3.0
CONVERGENCE_POINTS, GENERALISATION_POINTS, IMPROVEMENT_POINTS = 2.0, 1.5, 1.5
LEAST_CURVE_POINTS = 5
# (at least this share of the loss drop kept at the end, points)
DROP_STEPS = ((0.9, 1.0), (0.6, 0.5))
# (at most this share of the drop fell in the last fifth, points): a curve that still falls has not converged
SLOPE_STEPS = ((0.1, 1.0), (0.3, 0.5))
# (validation loss at most this far above training loss, points)
GAP_STEPS = ((0.10, 1.5), (0.25, 1.0), (0.50, 0.5))
# Below this difference in nats a ratio says nothing: both losses are small.
NEGLIGIBLE_GAP_NATS = 0.05
# (validation loss fell by at least this share against the base model, points)
IMPROVEMENT_STEPS = ((0.40, 1.5), (0.20, 1.0), (0.05, 0.5))


@dataclass(frozen=True, slots=True)
class QualityPart:
    """points of `of`, with the sentence a person reads. Parts a run did not measure are left out."""

    id: str
    label: str
    points: float
    of: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Quality:
    """score and stars are 0..5 in half steps. known False: no metrics at all, then score is 3.

    convergence: converged, nearly, not_converged, unknown.
    """

    score: float
    stars: float
    known: bool
    parts: tuple[QualityPart, ...]
    convergence: str


def score(summary: Mapping[str, Any]) -> Quality:
    """Quality of a run from its training summary (contracts/training_summary.schema.json).

    Parts that cannot be judged leave the scale: the score is the share of the points that could be had, out
    of 5.
    """
    convergence, word = _convergence(summary)
    judged = [convergence, _generalisation(summary), _improvement(summary)]
    parts = tuple(part for part in judged if part is not None)
    if not parts:
        return Quality(UNKNOWN_SCORE, UNKNOWN_SCORE, False, (), "unknown")
    reached = sum(part.points for part in parts) / sum(part.of for part in parts)
    stars = math.floor(reached * 10 + 0.5) / 2
    return Quality(stars, stars, True, parts, word)


def perplexity(validation_loss: float | None) -> float | None:
    """exp(validation loss); None without one or beyond what a number can hold."""
    if validation_loss is None or not math.isfinite(validation_loss) or validation_loss > 700:
        return None
    return math.exp(validation_loss)


def loss(summary: Mapping[str, Any], name: str) -> float | None:
    """A finite loss of the summary, else None."""
    value = summary.get(name)
    return float(value) if _is_number(value) else None


def _convergence(summary: Mapping[str, Any]) -> tuple[QualityPart | None, str]:
    curve = _finite_losses(summary.get("loss_curve") or ())
    if len(curve) < LEAST_CURVE_POINTS:
        return None, "unknown"
    smooth = _smoothed(curve)
    first, last, lowest = smooth[0], smooth[-1], min(smooth)
    drop = first - lowest
    if drop <= 0:
        return _part_convergence(0.0, "Training loss did not fall."), "not_converged"
    kept = (first - last) / drop
    late = abs(smooth[-1 - max(1, len(smooth) // 5)] - last) / drop
    points = _at_least(kept, DROP_STEPS) + _at_most(late, SLOPE_STEPS)
    flat = "the curve is flat" if late <= SLOPE_STEPS[0][0] else f"{late:.0%} of it moved in the last fifth"
    sentence = f"{max(0.0, kept):.0%} of the loss drop was reached and {flat}."
    word = "converged" if points >= CONVERGENCE_POINTS else "nearly" if points >= 1 else "not_converged"
    return _part_convergence(points, sentence), word


def _part_convergence(points: float, sentence: str) -> QualityPart:
    return QualityPart("convergence", "Convergence", points, CONVERGENCE_POINTS, sentence)


def _generalisation(summary: Mapping[str, Any]) -> QualityPart | None:
    validation, training = loss(summary, "validation_loss"), loss(summary, "training_loss")
    if validation is None or training is None or training <= 0:
        return None
    # Rounded, so that what is shown as 10 % is judged as 10 %.
    gap = round(validation / training - 1, 4)
    close = validation - training <= NEGLIGIBLE_GAP_NATS
    points = GENERALISATION_POINTS if close else _at_most(gap, GAP_STEPS)
    where = f"{gap:.0%} above" if gap >= 0 else f"{-gap:.0%} below"
    return QualityPart(
        "generalisation",
        "Generalisation",
        points,
        GENERALISATION_POINTS,
        f"Validation loss is {where} training loss.",
    )


def _improvement(summary: Mapping[str, Any]) -> QualityPart | None:
    validation, base = loss(summary, "validation_loss"), loss(summary, "base_validation_loss")
    if validation is None or base is None or base <= 0:
        return None
    fall = round(1 - validation / base, 4)
    how = f"fell by {fall:.0%}" if fall >= 0 else f"rose by {-fall:.0%}"
    return QualityPart(
        "improvement",
        "Improvement over base",
        _at_least(fall, IMPROVEMENT_STEPS),
        IMPROVEMENT_POINTS,
        f"Validation loss {how} against the base model.",
    )


def _finite_losses(curve: Sequence[Any]) -> list[float]:
    pairs = [point for point in curve if isinstance(point, list | tuple) and len(point) == 2]
    return [float(value) for _, value in pairs if _is_number(value)]


def _is_number(value: Any) -> TypeGuard[float]:
    """A number that a loss can be; no NaN, no infinity, no integer too large for a float."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and abs(value) < _LARGEST_LOSS


def _smoothed(curve: Sequence[float]) -> list[float]:
    """Running mean over a tenth of the curve: single steps are noisy."""
    width = max(1, len(curve) // 10)
    return [_mean(curve[at : at + width]) for at in range(len(curve) - width + 1)]


def _at_least(value: float, steps: Sequence[tuple[float, float]]) -> float:
    return next((points for bound, points in steps if value >= bound), 0.0)


def _at_most(value: float, steps: Sequence[tuple[float, float]]) -> float:
    return next((points for bound, points in steps if value <= bound), 0.0)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
