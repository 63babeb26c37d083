"""Rules about the state machine: one name in four places, a deadline and a way out for every task."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PLACEHOLDER = re.compile(r"^\$\{([A-Za-z0-9]+)\}$")
SHARED_WAIT = "AwaitStage"
# Sandbox.Timedout is what a Lambda that ran out of time is called, Runtime.ExitError one whose process died.
BUILT_IN = re.compile(r"^((States|Lambda)\.[A-Za-z]+|Sandbox\.Timedout|Runtime\.ExitError)$")


def snake(name: str) -> str:
    """`TerminatePod` -> `terminate_pod`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def states_of(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, state) of every state, those of branches and iterations too."""
    for name, state in machine.get("States", {}).items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from states_of(branch)
        for key in ("ItemProcessor", "Iterator"):
            yield from states_of(state.get(key, {}))


def tasks_of(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((name, state) for name, state in states_of(machine) if state["Type"] == "Task")


def function_of(state: Mapping[str, Any]) -> str:
    """Logical id of the function that a task invokes; empty when it invokes none."""
    arguments = state.get("Arguments") or state.get("Parameters") or {}
    match = PLACEHOLDER.match(str(arguments.get("FunctionName", "")))
    return match.group(1) if match else ""


def misnamed_tasks(machine: Mapping[str, Any], library: Path) -> list[str]:
    """Tasks that do not have one name in the state, the function, the step's file and the use case's file."""
    found = []
    for name, state in tasks_of(machine):
        function = function_of(state)
        waits = name.startswith("Await") or name == "BackOff"
        if function != (SHARED_WAIT if waits else name):
            found.append(f"{name}: invokes {function or 'no function'}")
            continue
        step = library / "steps" / f"{snake(function)}.py"
        if not step.exists() or declared_functions(step) != {function}:
            found.append(f"{name}: steps/{step.name} does not declare the function {function}, and only it")
        if not (library / "use_cases" / f"{snake(function)}.py").exists():
            found.append(f"{name}: use_cases/{snake(function)}.py is missing")
    return found


def unused_steps(machine: Mapping[str, Any], library: Path) -> list[str]:
    used = {function_of(state) for _, state in tasks_of(machine)}
    declared = {name for path in (library / "steps").glob("[!_]*.py") for name in declared_functions(path)}
    return [f"{name}: no state invokes it" for name in sorted(declared - used)]


def declared_functions(path: Path) -> set[str]:
    """Names given to `lambda_function(name=...)` in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "lambda_function":
            found |= {
                str(k.value.value)
                for k in node.keywords
                if k.arg == "name" and isinstance(k.value, ast.Constant)
            }
    return found


def endless_tasks(machine: Mapping[str, Any]) -> list[str]:
    """Tasks without a deadline, or with an error that nobody catches."""
    found = []
    for name, state in tasks_of(machine):
        if not {"TimeoutSeconds", "TimeoutSecondsPath"} & set(state):
            found.append(f"{name}: has no TimeoutSeconds")
        caught = [error for catcher in state.get("Catch", []) for error in catcher["ErrorEquals"]]
        if "States.ALL" not in caught:
            found.append(f"{name}: catches {caught or 'nothing'}, not States.ALL")
    return found


def outlasting_functions(machine: Mapping[str, Any], timeouts: Mapping[str, int]) -> list[str]:
    """Functions that may still run when their task has timed out, and so act beside what comes next."""
    return [
        f"{name}: its function may run {timeouts[function_of(state)]} s, the task {state['TimeoutSeconds']} s"
        for name, state in tasks_of(machine)
        if isinstance(state["TimeoutSeconds"], int)
        and timeouts[function_of(state)] >= state["TimeoutSeconds"]
    ]


def unknown_errors(machine: Mapping[str, Any], errors_file: Path) -> list[str]:
    """Error names in Retry and Catch that no class of the error tree has."""
    tree = ast.parse(errors_file.read_text(encoding="utf-8"))
    known = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    found = []
    for name, state in states_of(machine):
        for rule in (*state.get("Retry", []), *state.get("Catch", [])):
            unknown = [e for e in rule["ErrorEquals"] if e not in known and not BUILT_IN.match(e)]
            found += [f"{name}: {error} is no class of {errors_file.name}" for error in unknown]
    return found


def plain_waits(machine: Mapping[str, Any]) -> list[str]:
    """Wait states longer than a minute: a cancel cannot end them, a token wait it can."""
    return [
        f"{name}: a Wait of {state.get('Seconds')!r} s cannot be cancelled"
        for name, state in states_of(machine)
        if state["Type"] == "Wait" and not (isinstance(state.get("Seconds"), int) and state["Seconds"] <= 60)
    ]


def unmentioned(words: set[str], text: str) -> list[str]:
    """Words that a document never says as a word of its own."""
    return sorted(
        word for word in words if not re.search(rf"(?<![A-Za-z_]){re.escape(word)}(?![A-Za-z_])", text)
    )
