"""What every source file of the repository keeps to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.architecture import sources

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = (
    ROOT / "requirements-dev.txt",
    ROOT / "backend" / "requirements.txt",
    ROOT / "trainer" / "requirements.txt",
    ROOT / "infrastructure" / "lambda_requirements.txt",
    ROOT / "infrastructure" / "local" / "requirements.txt",
)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    found = sources.tracked(ROOT)
    assert ROOT / "pyproject.toml" in found
    return found


def test_no_module_is_longer_than_300_lines(files: list[Path]) -> None:
    assert sources.too_long(files) == []


def test_a_module_of_301_lines_is_found(tmp_path: Path) -> None:
    long, fitting = tmp_path / "long.py", tmp_path / "fitting.py"
    long.write_text("pass\n" * 301)
    fitting.write_text("pass\n" * 300)
    assert len(sources.too_long([long, fitting])) == 1


def test_modules_are_named_after_what_they_do(files: list[Path]) -> None:
    assert sources.badly_named(files) == []


@pytest.mark.parametrize("name", ["utils.py", "helpers.js", "Manager.py", "common.css"])
def test_a_drawer_of_a_name_is_found(name: str) -> None:
    assert len(sources.badly_named([Path("anywhere") / name, Path("anywhere/job.py")])) == 1


def test_nothing_is_mocked(files: list[Path]) -> None:
    assert sources.mocks(files) == []


@pytest.mark.parametrize(
    "text",
    [
        "from unittest.mock import patch\n",
        "import unittest.mock\n",
        "from unittest import mock\n",
        "def test_x(mocker): ...\n",
    ],
)
def test_a_mock_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(text)
    assert len(sources.mocks([path])) >= 1
    path.write_text("from tests import fakes\n")
    assert sources.mocks([path]) == []


def test_the_text_speaks_of_the_product_alone(files: list[Path]) -> None:
    assert sources.workplace_words(ROOT, files) == []


@pytest.mark.parametrize("word", ["see /wor" + "k/main", "fixes issue" + " #12", "in shar" + "ed/reference"])
def test_a_word_of_the_workplace_is_found(tmp_path: Path, word: str) -> None:
    path = tmp_path / "notes.md"
    path.write_text(f"A page that says {word}.\n")
    assert len(sources.workplace_words(tmp_path, [path])) == 1
    path.write_text("Works for /workspace/models and static/js/shared/api.js.\n")
    assert sources.workplace_words(tmp_path, [path]) == []


def test_every_dependency_has_an_exact_version_and_a_reason() -> None:
    assert sources.loose_dependencies(REQUIREMENTS) == []


@pytest.mark.parametrize("line", ["httpx", "httpx>=0.28  # calls", "httpx==0.28.1", "httpx==0.28.1  #"])
def test_a_loose_dependency_is_found(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"# What it carries.\nanyio==4.16.0  # httpx\n{line}\n")
    assert len(sources.loose_dependencies([path])) == 1


def test_only_files_that_git_knows_are_looked_at(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "known.py").write_text("")
    (tmp_path / "scratch.py").write_text("")
    subprocess.run(["git", "add", "known.py"], cwd=tmp_path, check=True)
    assert sources.tracked(tmp_path) == [tmp_path / "known.py"]
