"""Points of the curves: one per (job, step), written in blocks, thinned for charts so that spikes stay visible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

COLUMNS = (
    "training_loss",
    "validation_loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "gpu_utilization",
    "gpu_memory_gb",
    "cost_usd",
)
EXTRA = ("epoch", "perplexity", "gpu_memory_total_gb", "at")
# Of these the extremes are kept when a curve is thinned.
CURVES = ("training_loss", "validation_loss")
# Shown with three or four digits and not charted; more would be a third of what a chart weighs.
_ROUNDED = frozenset({"learning_rate", "grad_norm"})

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PointBlock:
    """Rows of one batch. revision: the progress revision that made them visible."""

    job_id: str
    revision: int
    rows: tuple[Mapping[str, Any], ...]


def merge(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One row per step, in step order; a later value of a field replaces an earlier one, a missing one does not."""
    by_step: dict[int, Row] = {}
    for row in rows:
        known = by_step.setdefault(int(row["step"]), {"step": int(row["step"])})
        known.update({key: value for key, value in row.items() if value is not None})
    return [by_step[step] for step in sorted(by_step)]


def base_validation_loss(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """That of the model before its first step."""
    found = (row.get("validation_loss") for row in rows if row["step"] == 0)
    return next((float(loss) for loss in found if loss is not None), None)


def rounded(name: str, value: Any) -> Any:
    """Six significant digits of a value that nobody charts; the losses stay as they came."""
    return float(f"{value:.6g}") if name in _ROUNDED and value is not None else value


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Columnar, as charts take it: {step: [...], training_loss: [...], ...}."""
    return {
        "step": [row["step"] for row in rows],
        **{name: [rounded(name, row.get(name)) for row in rows] for name in COLUMNS},
    }


def thin(rows: Sequence[Row], max_points: int, whole: int = 0) -> list[Row]:
    """About max_points rows: both ends of each curve and, of each bucket between, the rows with its least and its
    greatest value. Validations are few and all kept, unless they alone would fill half. whole: so many of the last
    rows stay as they are. No value is made up."""
    if len(rows) <= max_points or max_points < 4:
        return list(rows)
    if 0 < whole < max_points:
        return [*thin(rows[:-whole], max_points - whole), *rows[-whole:]]
    keep = {0, len(rows) - 1}
    for name in CURVES:
        known = [index for index, row in enumerate(rows) if row.get(name) is not None]
        most = max_points if name == "training_loss" else max_points // 2
        keep.update(known if len(known) <= most else _extremes(rows, name, known, max(1, most // 2)))
    return [rows[index] for index in sorted(keep)]


def _extremes(rows: Sequence[Row], name: str, known: Sequence[int], buckets: int) -> set[int]:
    """Of the known places those at both ends and those of the least and the greatest value of each bucket."""
    keep = {known[0], known[-1]}
    for bucket in range(buckets):
        span = known[bucket * len(known) // buckets : (bucket + 1) * len(known) // buckets]
        if span:
            keep.update(
                {
                    min(span, key=lambda at: (rows[at][name], at)),
                    max(span, key=lambda at: (rows[at][name], at)),
                }
            )
    return keep
