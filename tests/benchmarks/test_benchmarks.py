"""Each benchmark runs quickly and ends with its line; those that train many times take minutes and are left to `make bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
PACKAGE = ROOT / "build" / "package" / "deployment.zip"
TAKES_MINUTES = {"aws_cost", "resume_certificate", "trainer_throughput", "webhook_ingest"}
QUICK = sorted({path.stem for path in FOLDER.glob("*.py")} - TAKES_MINUTES)

pytestmark = pytest.mark.slow


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def _line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    line: dict[str, Any] = json.loads(lines[0])
    return line


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_run_ends_with_one_line_that_says_whether_the_goal_is_met(name: str) -> None:
    if name == "lambda_package" and not PACKAGE.exists():
        pytest.skip("There is no package to measure; `make package` makes it.")
    done = _run(name, "--quick")
    line = _line(done)
    assert set(line) == {"benchmark", "figures", "goal", "met", "machine"}
    assert line["benchmark"] == name
    assert isinstance(line["met"], bool)
    assert line["figures"]
    assert line["goal"]
    # A script that knows its goal is missed must not look like a success to make.
    assert done.returncode == (0 if line["met"] else 1)


@pytest.mark.parametrize("name", sorted(TAKES_MINUTES))
def test_help_says_what_quick_leaves_out(name: str) -> None:
    done = _run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
