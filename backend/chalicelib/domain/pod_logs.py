"""What the provider's own log of a pod that does not start means: the rows of its failures that have a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """fatal: no other machine would do better. advice: a sentence for the person. line: what the log says."""

    fatal: bool
    advice: str
    line: str


_ROWS: Sequence[tuple[re.Pattern[str], bool, str]] = (
    (
        re.compile(r"no space left on device", re.IGNORECASE),
        True,
        "The trainer's image does not fit the pod's disk: rent pods with a larger one.",
    ),
    (
        re.compile(r"exec format error", re.IGNORECASE),
        True,
        "The trainer's image was built for another processor: build it for linux/amd64.",
    ),
    (
        re.compile(
            r"manifest unknown|pull access denied|unauthorized|repository does not exist", re.IGNORECASE
        ),
        True,
        "The trainer's image is not in its registry, or may not be read: check TRAINER_IMAGE.",
    ),
    (
        re.compile(r"unsatisfied condition: cuda|OCI runtime create failed", re.IGNORECASE),
        False,
        "The machine's driver is too old for the trainer's image.",
    ),
    (
        re.compile(r"failed to pull image|layer does not exist|failed to register layer", re.IGNORECASE),
        False,
        "The machine could not fetch the trainer's image.",
    ),
)


def look_for_cause(lines: Sequence[str]) -> Finding | None:
    """The gravest finding, its newest line; None when the log names no known failure."""
    for pattern, fatal, advice in _ROWS:
        line = next((line for line in reversed(lines) if pattern.search(line)), None)
        if line is not None:
            return Finding(fatal, advice, line[:300])
    return None
