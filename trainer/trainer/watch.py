"""Tells a training run that stopped learning from one that is merely noisy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.progress import Progress

WINDOW = 10
MAX_NON_FINITE = 3
MAX_EXPLODING_STEPS = 20
PLATEAU_STEPS = 50
PLATEAU_SHARE = 0.01
FALLING_SHARE = 0.05


@dataclass(frozen=True)
class Verdict:
    """Whether the step's update may be applied, what to warn of, and why to stop."""

    apply: bool
    warning: str | None = None
    stop: str | None = None


def judge(progress: Progress, loss: float, grad_norm: float) -> Verdict:
    """Look at the loss and gradient norm of the step that is about to be applied; updates the two counters.

    Exploding means: the mean of the last WINDOW losses is above twice the mean of the first WINDOW plus one
    nat.
    """
    step = progress.step + 1
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        progress.non_finite_in_a_row += 1
        if progress.non_finite_in_a_row >= MAX_NON_FINITE:
            return Verdict(
                False,
                stop=(
                    f"The loss was not a number at {MAX_NON_FINITE} steps in a row, up to step {step}. "
                    f"{_ADVICE}"
                ),
            )
        return Verdict(False, warning=f"The loss at step {step} was not a number; the step was skipped.")
    progress.non_finite_in_a_row = 0
    recent = [*progress.losses[-WINDOW + 1 :], loss]
    if len(progress.losses) < 2 * WINDOW or not all(math.isfinite(value) for value in recent):
        return Verdict(True)
    first = [value for value in progress.losses[:WINDOW] if math.isfinite(value)]
    limit = 2 * sum(first) / max(1, len(first)) + 1
    if sum(recent) / len(recent) <= limit:
        progress.exploding_steps = 0
        return Verdict(True)
    progress.exploding_steps += 1
    if progress.exploding_steps > MAX_EXPLODING_STEPS:
        return Verdict(
            False,
            stop=(
                f"The loss stayed above {limit:.2f} for {MAX_EXPLODING_STEPS} steps, up to step {step}. "
                f"{_ADVICE}"
            ),
        )
    if progress.exploding_steps == 1:
        return Verdict(
            True, warning=f"The loss is rising: its recent mean passed {limit:.2f} at step {step}."
        )
    return Verdict(True)


def plateau(progress: Progress) -> str | None:
    """A warning, once per plateau: the loss no longer falls while many steps are still to be paid for.

    Compared are the mean losses of the last two spans of PLATEAU_STEPS steps, or of an epoch where that is longer, so
    that the order of the examples does not matter. Call after each step; updates `on_plateau`.
    """
    span = max(PLATEAU_STEPS, progress.steps_per_epoch)
    recent, before = progress.losses[-span:], progress.losses[-2 * span : -span]
    if len(before) < span or not all(math.isfinite(loss) for loss in (*recent, *before)):
        return None
    now, then = sum(recent) / span, sum(before) / span
    # Falling is more than not being flat, so that noise at the border does not make one plateau many.
    if now < then * (1 - FALLING_SHARE):
        progress.on_plateau = False
    left = progress.total_steps - progress.step
    if now <= then * (1 - PLATEAU_SHARE) or progress.on_plateau or left < span:
        return None
    progress.on_plateau = True
    best = progress.best_validation_loss
    seen = "" if best is None else f" The best validation loss so far is {best:.4f}."
    return (
        f"The loss is on a plateau: {now:.4f} on average over the last {span} steps, {then:.4f} over those before."
        f"{seen} Finishing early would save up to {left} steps."
    )


_ADVICE = "Training was stopped to save money. Lower the learning rate or the rank and start again."
