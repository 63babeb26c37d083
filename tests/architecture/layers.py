"""Rules about the backend's layers. Each takes the folder `chalicelib` and gives one sentence per violation."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

# What each layer may import of ours. Modules directly in chalicelib are named; `views` covers every
# views_*.py, `ports` every ports_*.py.
ALLOWED: dict[str, frozenset[str]] = {
    "domain": frozenset({"domain"}),
    "use_cases": frozenset({"domain", "use_cases", "ports"}),
    "adapters": frozenset({"domain", "adapters", "ports"}),
    "routes": frozenset(
        {
            "domain",
            "use_cases",
            "routes",
            "ports",
            "views",
            "bootstrap",
            "settings",
            "telling",
            "approving",
            "observed",
            "openapi",
            "signatures",
        }
    ),
    "steps": frozenset({"domain", "use_cases", "ports", "bootstrap", "settings", "telling", "observed"}),
    "views": frozenset({"domain", "use_cases", "views", "ports"}),
}
STANDARD_LIBRARY_ONLY = ("domain", "use_cases")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of each import, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def layer_of(name: str) -> str:
    """`chalicelib.views_jobs` -> views, `chalicelib.domain.job` -> domain, `chalicelib` -> the empty string."""
    parts = name.split(".")
    first = parts[1] if len(parts) > 1 else ""
    return next((layer for layer in ("views", "ports") if first.startswith(f"{layer}_")), first)


def outward_imports(library: Path) -> list[str]:
    """Imports that point outward: domain <- use_cases <- routes, steps; adapters serve ports."""
    found = []
    for path in sorted(library.rglob("*.py")):
        name = ".".join(("chalicelib", *path.relative_to(library).with_suffix("").parts))
        layer = layer_of(name)
        if layer not in ALLOWED:
            continue
        for line, module in imports_of(path):
            target = layer_of(module)
            if module.startswith("chalicelib.") and target not in ALLOWED[layer]:
                found.append(f"{path.name}:{line}: {layer} imports {module}")
            elif (
                layer in STANDARD_LIBRARY_ONLY
                and not module.startswith("chalicelib")
                and not is_standard(module)
            ):
                found.append(
                    f"{path.name}:{line}: {layer} imports {module}, which is not the standard library"
                )
    return found


def is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def adapters_named_outside_bootstrap(library: Path) -> list[str]:
    """Every import of an adapter from elsewhere than bootstrap.py and the adapters themselves."""
    found = []
    for path in sorted(library.rglob("*.py")):
        if path.name == "bootstrap.py" or "adapters" in path.relative_to(library).parts:
            continue
        for line, module in imports_of(path):
            if module.startswith("chalicelib.adapters."):
                found.append(f"{path.relative_to(library)}:{line}: names {module}")
    return sorted(set(found))


def undeclared_routes(library: Path) -> list[str]:
    """Uses of Chalice's own `.route(...)` outside routes/http.py: such a route has no role and no error shape."""
    found = []
    for path in sorted((library / "routes").glob("*.py")):
        if path.name == "http.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "route":
                found.append(f"{path.name}:{node.lineno}: declare it with `endpoint`, not with `.route`")
    return found


def use_cases_with_more_than_one_verb(library: Path) -> list[str]:
    """Use cases without a public function named like their file."""
    found = []
    for path in sorted((library / "use_cases").glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if path.stem not in functions:
            found.append(f"use_cases/{path.name}: has no function {path.stem}")
    return found
