"""JSON files that are either whole or absent, whatever kills the writer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a file's content; readable by its owner only, since it may hold passwords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.writing")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_json(path: Path) -> dict[str, Any]:
    """The file's content, or an empty object when there is none. Raises ValueError when not JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}). Remove the file and start again.") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object. Remove the file and start again.")
    return value
