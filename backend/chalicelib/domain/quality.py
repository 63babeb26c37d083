"""The quality score: 0 to 5 stars in half steps, made of three parts that each say why. See docs/quality-score.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QualityPart:
    """points of `of`, with the sentence a person reads. points None: this run gives no figure for it."""

    id: str
    label: str
    points: float | None
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
