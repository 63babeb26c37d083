"""Which conversations make up which optimizer step: pure functions, so a resumed run needs only its step
number."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

MEGABATCH_STEPS = 16


def steps_per_epoch(examples: int, effective_batch: int) -> int:
    """Optimizer steps in one pass over `examples` conversations; the last one may be smaller."""
    return max(1, math.ceil(examples / effective_batch))


def epoch_plan(
    seed: int, epoch: int, lengths: Sequence[int], effective_batch: int, alike: bool
) -> list[list[int]]:
    """Steps of one epoch, each a list of example indices. A pure function; every index occurs exactly once.

    Examples are shuffled. For padded batches (`alike`) they are then sorted by length inside groups of
    MEGABATCH_STEPS steps, shortest first within a step, so that a step's examples are alike in length and little is
    padding, while the order of an epoch stays random. Packed rows have no padding; unsorted steps differ less in tokens.
    """
    shuffled = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    shuffled.shuffle(order)
    if not alike:
        return [order[at : at + effective_batch] for at in range(0, len(order), effective_batch)]
    steps: list[list[int]] = []
    span = effective_batch * MEGABATCH_STEPS
    for start in range(0, len(order), span):
        group = sorted(order[start : start + span], key=lambda index: (lengths[index], index))
        steps.extend(group[at : at + effective_batch] for at in range(0, len(group), effective_batch))
    shuffled.shuffle(steps)
    return steps


def split_padded(step: Sequence[int], micro_batch: int) -> list[list[int]]:
    """Cut a step into padded micro-batches of at most `micro_batch` conversations."""
    return [list(step[at : at + micro_batch]) for at in range(0, len(step), micro_batch)]


def split_packed(step: Sequence[int], lengths: Sequence[int], capacity_tokens: int) -> list[list[int]]:
    """Best-fit decreasing: pack a step's conversations into rows of at most `capacity_tokens`.

    A conversation longer than the capacity gets a row of its own.
    """
    rows: list[tuple[int, list[int]]] = []
    for index in sorted(step, key=lambda at: (-lengths[at], at)):
        room = [
            (capacity_tokens - used, row)
            for row, (used, _) in enumerate(rows)
            if used + lengths[index] <= capacity_tokens
        ]
        if room:
            _, best = min(room)
            used, members = rows[best]
            rows[best] = (used + lengths[index], [*members, index])
        else:
            rows.append((lengths[index], [index]))
    return [members for _, members in rows]


def learning_rate(step: int, total_steps: int, peak: float, warmup_ratio: float, scheduler: str) -> float:
    """Rate of optimizer step `step` (counted from 0): linear warm-up, then constant, linear or cosine decay
    to 0."""
    warmup_steps = math.ceil(warmup_ratio * total_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if scheduler == "constant":
        return peak
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    if scheduler == "linear":
        return peak * (1.0 - done)
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))
