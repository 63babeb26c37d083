"""Where a job came from when it was made of another one."""

from __future__ import annotations

import re
from dataclasses import dataclass

CLONE, RETRY = "clone", "retry"
_WORDS = {CLONE: "copy", RETRY: "retry"}


@dataclass(frozen=True, slots=True)
class Origin:
    """The job as it was then. from_step: of the checkpoint this one goes on from, None for the beginning."""

    kind: str
    job_id: str
    job_name: str
    status: str
    from_step: int | None = None


def next_name(name: str, kind: str, longest: int) -> str:
    """`Name (retry)`, then `Name (retry 2)`; the name is cut where both do not fit."""
    word = _WORDS[kind]
    match = re.fullmatch(rf"(?P<stem>.*) \({word}(?: (?P<number>\d{{1,4}}))?\)", name)
    stem = match["stem"] if match else name
    number = 1 if match is None else int(match["number"] or 1) + 1
    tail = f" ({word})" if number == 1 else f" ({word} {number})"
    return stem[: longest - len(tail)].rstrip() + tail
