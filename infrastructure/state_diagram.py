"""The state machine as a Mermaid flowchart: `python -m infrastructure.state_diagram` brings docs/lifecycle.md up to date."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MACHINE = ROOT / "step_functions" / "training_job.asl.json"
PAGE = ROOT / "docs" / "lifecycle.md"
BEGIN, END = "<!-- diagram: generated -->", "<!-- /diagram -->"
_SHAPES = {"Choice": "{{{}}}", "Succeed": "([{}])", "Fail": "([{}])", "Pass": "([{}])"}


def flowchart(machine: Mapping[str, Any]) -> str:
    """Every way from state to state: plain when all is well or a choice says so, dotted with its errors when caught."""
    lines = ["```mermaid", "flowchart TD"]
    for name, state in machine["States"].items():
        lines.append(f"  {name}{_SHAPES.get(state['Type'], '[{}]').format(name)}")
    for name, state in machine["States"].items():
        lines += [f"  {name} {arrow} {target}" for arrow, target in _ways(state)]
    return "\n".join([*lines, "```"])


def _ways(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "Next" in state:
        yield "-->", state["Next"]
    for choice in state.get("Choices", []):
        condition = choice["Condition"].removeprefix("{%").removesuffix("%}").strip().replace('"', "'")
        yield f'-- "{condition}" -->', choice["Next"]
    if "Default" in state:
        yield '-- "else" -->', state["Default"]
    for target, errors in _caught(state).items():
        yield f'-. "{", ".join(errors)}" .->', target


def _caught(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """State -> errors that lead there; many errors are many to read, so a list ends with a number."""
    found: dict[str, list[str]] = {}
    for catcher in state.get("Catch", []):
        rest = "any other error" if len(state["Catch"]) > 1 else "any error"
        names = [rest if name == "States.ALL" else name for name in catcher["ErrorEquals"]]
        if len(names) > 3:
            names = [*names[:2], f"{len(names) - 2} more"]
        found.setdefault(catcher["Next"], []).extend(names)
    return found


def with_diagram(page: str, diagram: str) -> str:
    """The page with what stands between the marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{diagram}\n{END}{after}"


def main() -> None:
    machine = json.loads(MACHINE.read_text(encoding="utf-8"))
    PAGE.write_text(with_diagram(PAGE.read_text(encoding="utf-8"), flowchart(machine)), encoding="utf-8")


if __name__ == "__main__":
    main()
