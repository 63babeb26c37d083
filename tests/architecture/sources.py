"""Rules about every source file. Each takes a list of files and gives one sentence per violation."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

MAX_LINES = 300
FORBIDDEN_STEMS = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}
MODULES = {".py", ".js", ".mjs", ".css"}
# One file may point outside the checkout: it looks for an optional copy of the provider's API document.
MAY_LOOK_OUTSIDE = {".ci/run"}
# Written so that this file does not contain what it looks for.
WORKPLACE = re.compile(
    "|".join(
        (
            "/wor" + "k/",
            "/tm" + "p/(?:brief|h[0-9])",
            r"\bissues? #[0-9]",
            "shar" + "ed/(?:reference|design|req)",
        )
    )
)
PINNED = re.compile(r"^[A-Za-z0-9_.-]+(?:\[[a-z0-9,-]+\])?==[A-Za-z0-9_.+!-]+\s+# \S.*$")


def tracked(root: Path) -> list[Path]:
    """Files that git knows, whatever lies around them."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in listing.stdout.split("\0") if name and (root / name).is_file()]


def is_ours(path: Path) -> bool:
    return not {"vendor", "node_modules"} & set(path.parts)


def too_long(files: Iterable[Path]) -> list[str]:
    found = []
    for path in files:
        if path.suffix in MODULES and is_ours(path):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > MAX_LINES:
                found.append(f"{path}: {lines} lines, at most {MAX_LINES}: split it by what it does")
    return found


def badly_named(files: Iterable[Path]) -> list[str]:
    return [
        f"{path}: name it after what it does"
        for path in files
        if path.suffix in MODULES and path.stem.lower() in FORBIDDEN_STEMS and is_ours(path)
    ]


def mocks(files: Iterable[Path]) -> list[str]:
    """Imports of unittest.mock or its ports, and uses of pytest-mock's fixture."""
    found = []
    for path in files:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.arg):
                names = [node.arg]
            if any(re.fullmatch(r"unittest\.mock(\..*)?|mock|mocker|pytest_mock", name) for name in names):
                found.append(
                    f"{path}:{getattr(node, 'lineno', 0)}: write a fake of the port instead of a mock"
                )
    return found


def workplace_words(root: Path, files: Iterable[Path]) -> list[str]:
    """Text that speaks of the place where the product was made instead of the product."""
    found = []
    for path in files:
        name = path.relative_to(root).as_posix()
        if name in MAY_LOOK_OUTSIDE:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: says {match.group()!r}" for match in WORKPLACE.finditer(text)]
    return found


def loose_dependencies(files: Sequence[Path]) -> list[str]:
    """Requirement lines without an exact version or without a reason."""
    return [
        f"{path.name}: {line!r} needs `name==version  # reason`"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#") and not PINNED.match(line)
    ]
