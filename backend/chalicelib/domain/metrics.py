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


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Columnar, as charts take it: {step: [...], training_loss: [...], ...}."""
    return {
        "step": [row["step"] for row in rows],
        **{name: [row.get(name) for row in rows] for name in COLUMNS},
    }


def thin(rows: Sequence[Row], max_points: int) -> list[Row]:
    """At most about max_points rows: of each bucket the rows holding the least and the greatest training loss, every
    row with a validation loss, and the first and last row. No value is made up."""
    if len(rows) <= max_points or max_points < 4:
        return list(rows)
    buckets = max(1, max_points // 2)
    keep = {0, len(rows) - 1}
    keep.update(index for index, row in enumerate(rows) if row.get("validation_loss") is not None)
    for bucket in range(buckets):
        span = range(bucket * len(rows) // buckets, (bucket + 1) * len(rows) // buckets)
        losses = [
            (rows[index]["training_loss"], index)
            for index in span
            if rows[index].get("training_loss") is not None
        ]
        if losses:
            keep.update({min(losses)[1], max(losses)[1]})
    return [rows[index] for index in sorted(keep)]
