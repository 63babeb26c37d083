"""The expressions of the state machine, in JSONata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonata  # type: ignore[import-untyped]

_PATH = re.compile(r"\$\w+(\.\w+)*")


@cache
def _compiled(expression: str) -> jsonata.Jsonata:
    return jsonata.Jsonata(expression)


def evaluated(expression: str, bindings: Mapping[str, Any]) -> Any:
    """A plain path is followed here, which is what JSONata does with it, in a tenth of the time."""
    if _PATH.fullmatch(expression) is None:
        compiled = _compiled(expression)
        return compiled.evaluate(None, _frame(compiled, bindings))
    value: Any = bindings
    for name in expression.removeprefix("$").split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _frame(compiled: jsonata.Jsonata, bindings: Mapping[str, Any]) -> Any:
    frame = compiled.create_frame()
    for name, value in bindings.items():
        frame.bind(name, value)
    return frame
