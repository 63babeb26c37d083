"""What the job page reads and is sent for a curve of 10,000 and of 100,000 points. Prints one JSON line.

    python benchmarks/job_page_data.py [--quick]

A scripted trainer reports through the real use cases, 15 points a batch, with spikes, validations, a resumed run that
trains 300 steps again with other losses, and a spike that is corrected long after. Then the page's first poll and an
idle one are answered by the real routes. Stores are in memory; items and their bytes are counted as the adapter would
store them, a read unit for each started 4 KB of a query. The peer is the same curve read from its blocks, one item a batch.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import platform
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

import pytest
from chalicelib import bootstrap
from chalicelib.adapters.dynamo.documents import columns
from chalicelib.adapters.dynamo.tables import MetricsItem
from chalicelib.domain.metrics import PointBlock, merge
from chalicelib.domain.rollups import RollUp

from tests.backend.routes.site import Site, opened
from tests.lifecycle.trainer import Trainer

POINTS = 15
SIZES = (10_000, 100_000)
# Key, version and attribute names of an item.
ITEM_BYTES, READ_UNIT_BYTES = 60, 4096
GOAL = {
    "first_poll_gzip_bytes": 60 * 1024,
    "items_read": 80,
    "idle_poll_bytes": 1024,
    "wrong_extremes": 0,
    "items_of_largest_to_smallest": 2.0,
}


class Metered:
    """The progress store; counts what is read of the metrics table."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.items = self.read_units = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _note(self, found: Sequence[PointBlock | RollUp]) -> None:
        size = sum(item_bytes(each) for each in found)
        self.items += len(found)
        self.read_units += math.ceil(size / READ_UNIT_BYTES)

    def blocks(self, *arguments: Any, **named: Any) -> Sequence[PointBlock]:
        found: Sequence[PointBlock] = self._store.blocks(*arguments, **named)
        self._note(found)
        return found

    def rollups(self, *arguments: Any, **named: Any) -> Sequence[RollUp]:
        found: Sequence[RollUp] = self._store.rollups(*arguments, **named)
        self._note(found)
        return found


def item_bytes(piece: PointBlock | RollUp) -> int:
    return ITEM_BYTES + sum(len(value) for value in columns(MetricsItem, piece).values())


def report(trainer: Trainer, points: int) -> None:
    """A run of so many steps, resumed once on the way."""
    chance = random.Random(points)
    middle = points * 6 // 10
    for first in range(1, middle, POINTS):
        batch(trainer, chance, first, min(first + POINTS, middle + 1))
    for first in range(middle - 300, points + 1, POINTS):
        batch(trainer, chance, first, min(first + POINTS, points + 1))
    trainer.send({**point(trainer, chance, points // 3), "training_loss": 1.25})


def batch(trainer: Trainer, chance: random.Random, first: int, after: int) -> None:
    points = [point(trainer, chance, step) for step in range(first, after)]
    validated = [
        trainer.event("metrics", step=step, epoch=1.0, validation_loss=1.9 + chance.random(), perplexity=4.2)
        for step in range(first, after)
        if step % 500 == 0
    ]
    trainer.send(*points, *validated)


def point(trainer: Trainer, chance: random.Random, step: int) -> dict[str, Any]:
    """Losses as a GPU gives them, to the last digit; one in a thousand is a spike."""
    spike = 20 * chance.random() if chance.random() < 0.001 else 0.0
    loss = 0.4 + 2.1 * math.exp(-step / 9000) + chance.gauss(0, 0.05) + spike
    return {
        **trainer.event("metrics", step=step, epoch=round(step / 20_000, 6), training_loss=loss),
        "learning_rate": 1.8e-4 * (1 - step / 200_000),
        "grad_norm": abs(chance.gauss(0.7, 0.2)),
        "tokens_per_second": round(1900 + chance.random() * 30, 2),
        "gpu_utilization": float(chance.randint(90, 99)),
        "gpu_memory_gb": 68.25,
        "gpu_memory_total_gb": 80.0,
        "cost_usd": round(step * 0.000236, 6),
    }


def wrong_extremes(sent: dict[str, list[Any]], known: Sequence[dict[str, Any]]) -> int:
    """The least and the greatest value of both curves; spikes that nothing as high stands for within half a percent of
    the curve; and values that no point has, such as a spike that was corrected."""
    wrong = 0
    for name in ("training_loss", "validation_loss"):
        values = [row[name] for row in known if row.get(name) is not None]
        kept = [value for value in sent[name] if value is not None]
        wrong += (min(kept) != min(values)) + (max(kept) != max(values))
    losses = {row["step"]: row["training_loss"] for row in known if row.get("training_loss") is not None}
    shown = {
        step: loss for step, loss in zip(sent["step"], sent["training_loss"], strict=True) if loss is not None
    }
    near = len(losses) // 200
    for step, loss in losses.items():
        if loss > 5:
            wrong += max((high for at, high in shown.items() if abs(at - step) <= near), default=0.0) < loss
    return int(wrong + sum(losses[step] != loss for step, loss in shown.items()))


def measure_size(site: Site, points: int) -> dict[str, Any]:
    trainer = (
        Trainer(site.world, site.started(seed=points)).through("model_loading").stage("training", "active")
    )
    report(trainer, points)
    metered = Metered(site.world.progress)
    path = f"/api/jobs/{trainer.job_id}/live"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "progress", lambda: metered)
        begun = time.process_time()
        first = site.dana.call("GET", path)
        seconds = time.process_time() - begun
        items, units = metered.items, metered.read_units
        idle = site.dana.call("GET", f"{path}?cursor={first.data['cursor']}")
    if first.status != 200 or idle.data["changed"]:
        raise RuntimeError(f"The polls were not answered as they should: {first.status}, {idle.body}")
    blocks = site.world.progress.blocks(trainer.job_id)
    known = merge(row for block in blocks for row in block.rows)
    whole = sum(item_bytes(block) for block in blocks)
    body = json.dumps(first.body, separators=(",", ":")).encode()
    return {
        "points_stored": len(known),
        "points_sent": len(first.data["points"]["step"]),
        "first_poll_gzip_bytes": len(gzip.compress(body, 6)),
        "first_poll_bytes": len(body),
        "first_poll_cpu_milliseconds": round(seconds * 1000, 1),
        "idle_poll_bytes": len(json.dumps(idle.body, separators=(",", ":"))),
        "items_read": items,
        "read_units": units,
        "items_of_blocks": len(blocks),
        "read_units_of_blocks": math.ceil(whole / READ_UNIT_BYTES),
        "wrong_extremes": wrong_extremes(first.data["points"], known),
    }


def measure(sizes: Sequence[int]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch, opened(patch) as site:
        by_size = {str(size): measure_size(site, size) for size in sizes}
    small, large = by_size[str(sizes[0])], by_size[str(sizes[-1])]
    ratios = {
        name: round(large[name] / small[name], 2)
        for name in ("items_read", "read_units", "first_poll_gzip_bytes")
    }
    return {"sizes": by_size, "ratio_of_largest_to_smallest": ratios}


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 and 30,000 points")
    quick = parser.parse_args().quick
    figures = measure((10_000, 30_000) if quick else SIZES)
    worst = _worst(figures["sizes"])
    worst["items_of_largest_to_smallest"] = figures["ratio_of_largest_to_smallest"]["items_read"]
    met = all(worst[name] <= limit for name, limit in GOAL.items())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    line = {"benchmark": "job_page_data", "figures": figures, "goal": GOAL, "met": met, "machine": machine}
    print(json.dumps(line))
    return 0 if met else 1


def _worst(sizes: dict[str, dict[str, Any]]) -> dict[str, float]:
    names = [name for name in GOAL if all(name in each for each in sizes.values())]
    return {name: max(each[name] for each in sizes.values()) for name in names}


if __name__ == "__main__":
    raise SystemExit(main())
