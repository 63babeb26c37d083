"""Files to check, made of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from chalicelib.domain.dataset_check import CheckReport, DatasetCheck


def chat(number: int, **extra: Any) -> dict[str, Any]:
    turns = [
        {"role": "user", "content": f"Question {number}?"},
        {"role": "assistant", "content": f"Answer {number}."},
    ]
    return {"messages": turns, **extra}


def jsonl(rows: Sequence[Any], end: str = "\n") -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + end for row in rows).encode()


def good(count: int = 60) -> list[Any]:
    return [chat(number) for number in range(1, count + 1)]


def check(body: bytes, chunk_bytes: int = 1 << 16) -> CheckReport:
    checking = DatasetCheck()
    for start in range(0, len(body), chunk_bytes):
        checking.feed(body[start : start + chunk_bytes])
    return checking.report()


def check_with(row: Any) -> CheckReport:
    """60 good rows and this one, on line 61."""
    return check(jsonl([*good(), row]))
