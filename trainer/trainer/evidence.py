"""What is known of steps that an interruption made run twice: the losses before and after it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MAX_STEPS = 50


class PointLog:
    """One line per executed step on disk; read by the next process that runs the same steps again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: int, loss: float) -> None:
        """Note a step's loss. Never raises: this is evidence, not the run."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([step, loss]) + "\n")
        except OSError as error:
            log.warning("cannot note step %d: %s", step, error)


def known_losses(paths: list[Path]) -> dict[int, float]:
    """Loss by step from earlier processes; of several runs of a step the first counts."""
    losses: dict[int, float] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                step, loss = json.loads(line)
                losses.setdefault(int(step), float(loss))
            except (ValueError, TypeError):
                # A torn last line of a killed process.
                continue
    return losses


class Evidence:
    """Collects the second losses and makes the event when the overlap is over."""

    def __init__(self, resumed_from_step: int, state_sha256: str, before: dict[int, float]) -> None:
        self._resumed_from_step = resumed_from_step
        self._state_sha256 = state_sha256
        self._before = {step: loss for step, loss in before.items() if step > resumed_from_step}
        self._last = min(max(self._before, default=0), resumed_from_step + MAX_STEPS)
        self._pairs: list[dict[str, Any]] = []
        self._told = False

    def add(self, step: int, loss: float) -> dict[str, Any] | None:
        """Take one executed step; returns the event when it is complete."""
        if step in self._before and step <= self._last:
            self._pairs.append({"step": step, "before": self._before[step], "after": loss})
        return self.event() if step >= self._last else None

    def event(self) -> dict[str, Any] | None:
        """The event, once; with no overlap it carries the state hash only."""
        if self._told:
            return None
        self._told = True
        return {
            "type": "resume_evidence",
            "resumed_from_step": self._resumed_from_step,
            "state_sha256": self._state_sha256,
            "steps": self._pairs,
        }
