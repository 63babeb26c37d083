"""Compares a reply with an example of the contract: the same keys everywhere, not the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"


def example(name: str) -> Any:
    """The `data` of contracts/examples/{name}.json, or the whole of it when there is no envelope."""
    value = json.loads((EXAMPLES / f"{name}.json").read_text())
    return value.get("data", value)


def differences(
    made: Any, wanted: Any, where: str = "reply", *, free: frozenset[str] = frozenset()
) -> list[str]:
    """Missing and extra keys by path. free: names whose objects are maps with any keys. null matches
    anything.
    """
    if made is None or wanted is None:
        return []
    if isinstance(wanted, dict):
        return _of_objects(made, wanted, where, free)
    if isinstance(wanted, list):
        if not isinstance(made, list):
            return [f"{where} is no list"]
        return [
            line
            for at, item in enumerate(made)
            if wanted
            for line in differences(item, wanted[0], f"{where}[{at}]", free=free)
        ]
    same = isinstance(made, bool) == isinstance(wanted, bool) and isinstance(made, str) == isinstance(
        wanted, str
    )
    return [] if same else [f"{where} is {type(made).__name__}, not {type(wanted).__name__}"]


def _of_objects(made: Any, wanted: dict[str, Any], where: str, free: frozenset[str]) -> list[str]:
    if not isinstance(made, dict):
        return [f"{where} is no object"]
    if where.rsplit(".", 1)[-1] in free:
        return []
    found = [f"{where}.{name} is missing" for name in wanted.keys() - made.keys()]
    found += [f"{where}.{name} is not in the contract" for name in made.keys() - wanted.keys()]
    for name in wanted.keys() & made.keys():
        found += differences(made[name], wanted[name], f"{where}.{name}", free=free)
    return found
