"""The Makefile, the CI entry and the pages about deploying, against what they speak of."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {
    "setup": "",
    "lint": "-m mypy",
    "check": "not stack and not browser and not slow",
    "test": "-m pytest",
    "demo": "-m stack.demo",
    "run": "-m stack run",
    "stop": "-m stack stop",
    "site": "frontend_static/build.py",
    "package": "-m infrastructure.package",
    "bench": "benchmarks/*.py",
    "screens": "-m tests.frontend.screens",
    "clean": "rm -rf",
    "help": "",
}


def planned(target: str) -> str:
    """What `make target` would run, without running it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    result = subprocess.run(
        ["make", "-n", target], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_plans_its_command(target: str) -> None:
    assert TARGETS[target] in planned(target)


def test_a_target_that_does_not_exist_is_refused() -> None:
    result = subprocess.run(["make", "-n", "no-such-target"], cwd=ROOT, capture_output=True, check=False)
    assert result.returncode != 0


def test_help_lists_every_target() -> None:
    result = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"make (\w+)", result.stdout))
    assert listed == set(TARGETS)


def test_an_installed_environment_is_left_alone_and_a_changed_requirement_is_not(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    wanted = [
        *(
            tmp_path / folder / "requirements.txt"
            for folder in ("backend", "trainer", "infrastructure/local")
        ),
        tmp_path / "trainer" / "requirements-serverless.txt",
        tmp_path / "requirements-dev.txt",
    ]
    for path in wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        os.utime(path, (1, 1))
    for environment in (".venv", ".venv-stack"):
        (tmp_path / environment).mkdir()
        (tmp_path / environment / ".installed").touch()

    def setup() -> str:
        command = ["make", "-n", "setup"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert "pip" not in setup()
    (tmp_path / ".venv" / ".installed").unlink()
    plan = setup()
    assert plan.index("torch==") < plan.index("backend/requirements.txt"), "torch comes first, on its own"
    assert ".venv-stack" not in plan


def test_the_ci_entry_is_a_script_that_bash_can_read() -> None:
    entry = ROOT / ".ci" / "run"
    assert os.access(entry, os.X_OK)
    subprocess.run(["bash", "-n", str(entry)], check=True)
    assert "set -euo pipefail" in entry.read_text()


def test_the_deployment_page_explains_every_parameter_output_and_alarm() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    parameters = json.loads((ROOT / "infrastructure" / "parameters.json").read_text())["Parameters"]
    assert [name for name in parameters if f"`{name}`" not in page] == []
    alarms = json.loads((ROOT / "infrastructure" / "alarms.json").read_text())["Resources"]
    subjects = {
        re.sub(r"(Errors|Absent|Dropped)?Alarm$", "", name) for name in alarms if name.endswith("Alarm")
    }
    assert [name for name in sorted(subjects) if name not in page] == []


def test_the_permissions_page_names_every_function_and_policy() -> None:
    page = (ROOT / "docs" / "aws-permissions.md").read_text()
    stage = json.loads((ROOT / "backend" / ".chalice" / "config.json").read_text())["stages"]["live"]
    functions = stage["lambda_functions"]
    names = {"APIHandler" if name == "api_handler" else name for name in functions}
    names |= {entry["iam_policy_file"] for entry in functions.values()}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
