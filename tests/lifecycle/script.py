"""A trainer for random walks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from chalicelib.domain.errors import StaleAttempt

from tests.lifecycle.trainer import STAGES, Trainer
from tests.lifecycle.world import World

STEPS = 12


class Script:
    """What one pod's trainer does, one thing a turn: duplicates and late repeats included."""

    def __init__(self, world: World, job_id: str, chance: random.Random, trained: Counter[int]) -> None:
        self.trainer = Trainer(world, job_id)
        self.trained = trained
        self.chance = chance
        self.todo: list[Callable[[], object]] = []
        self.sent: list[tuple[int, list[dict[str, Any]]]] = []
        self.over = False

    def next(self) -> None:
        if self.over:
            return
        try:
            self._next()
        except StaleAttempt:
            self.over = True

    def _next(self) -> None:
        trainer = self.trainer
        if trainer.incarnation == 0 or self.chance.random() < 0.02:
            trainer.hello()
            checkpoint = trainer.reply["checkpoint"]
            self.todo = self._plan(0 if checkpoint is None else int(checkpoint["step"]))
            return
        if self.sent and self.chance.random() < 0.2:
            trainer.post(*self.chance.choice(self.sent))
        if self.todo:
            self.todo[0]()
            self.todo.pop(0)

    def _plan(self, resumed_from: int) -> list[Callable[[], object]]:
        trainer = self.trainer
        plan: list[Callable[[], object]] = []
        for stage in STAGES:
            plan.append(lambda stage=stage: trainer.stage(stage, "active"))  # type: ignore[misc]
            if stage == "training":
                for step in range(resumed_from + 1, STEPS + 1, 3):
                    plan.append(lambda step=step: self._points(step))  # type: ignore[misc]
                    plan.append(lambda step=step: trainer.checkpoint(min(step + 2, STEPS)))  # type: ignore[misc]
            if stage == "finalization":
                plan.append(trainer.artifacts)
            plan.append(lambda stage=stage: trainer.stage(stage))  # type: ignore[misc]
        return plan

    def _points(self, first: int) -> None:
        trainer = self.trainer
        events = [trainer.point(step) for step in range(first, min(first + 3, STEPS + 1))]
        self.sent.append((trainer.sequence, events))
        trainer.send(*events)
        self.trained.update(event["step"] for event in events)
