"""Nothing happens at import: no client, no environment, no network, no thread, no file written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "backend"

# Refuses what an import has no business doing, then imports each module named on the command line.
WATCHED = """
import importlib, os, sys, threading
sys.dont_write_bytecode = True

ours = tuple(sys.argv[1].split(":"))
sys.path[:0] = ours

FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.mkdir")

def watch(event, arguments):
    if event in FORBIDDEN:
        raise RuntimeError(f"{event} at import")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError(f"writes {arguments[0]} at import")

real = os.environ

class Watched(dict):
    def _seen(self):
        frame = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename == "<frozen os>":
            frame = frame.f_back
        if frame is not None and frame.f_code.co_filename.startswith(ours):
            raise RuntimeError("reads the environment at import")
    def __getitem__(self, key):
        self._seen()
        return super().__getitem__(key)
    def get(self, key, default=None):
        self._seen()
        return super().get(key, default)
    def __contains__(self, key):
        self._seen()
        return super().__contains__(key)

for name in sys.argv[3:]:
    importlib.import_module(name)
os.environ = Watched(real)
sys.addaudithook(watch)
threads = threading.active_count()
for name in sys.argv[2].split(","):
    importlib.import_module(name)
if threading.active_count() != threads:
    raise RuntimeError("starts a thread at import")
print(",".join(sorted(sys.modules)))
"""
# Libraries that look around at their own import; ours are watched after them.
BACKEND_LIBRARIES = (
    "boto3",
    "chalice",
    "pynamodb.models",
    "pydantic",
    "httpx",
    "jwt",
    "apsw",
    "aws_lambda_powertools",
)


LOCAL_LIBRARIES = ("boto3", "httpx", "starlette.applications", "uvicorn")
TRAINER_LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "huggingface_hub",
    "httpx",
    "gguf",
    "tokenizers",
    "pynvml",
)


def imported(folder: Path, modules: list[str], *first: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WATCHED, str(folder), ",".join(modules), *first]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False)


def modules_below(folder: Path, package: str) -> list[str]:
    names = []
    for path in sorted((folder / package).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_every_module_of_the_backend_imports_in_a_bare_environment() -> None:
    modules = [*modules_below(BACKEND, "chalicelib"), "app"]
    assert len(modules) > 50
    result = imported(BACKEND, modules, *BACKEND_LIBRARIES)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", ["stack", "runpod_standin"])
def test_every_module_of_the_one_machine_stack_imports_in_a_bare_environment(package: str) -> None:
    folder = ROOT / "infrastructure" / "local"
    result = imported(folder, modules_below(folder, package), *LOCAL_LIBRARIES)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_every_module_of_the_trainer_imports_in_a_bare_environment() -> None:
    result = imported(ROOT / "trainer", modules_below(ROOT / "trainer", "trainer"), *TRAINER_LIBRARIES)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "import os\nHOME = os.environ['HOME']\n",
        "import os\nHOME = os.environ.get('HOME')\n",
        "import os\nHOME = os.getenv('HOME')\n",
        "import socket\nsocket.create_connection(('127.0.0.1', 9))\n",
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        "open('left-behind.txt', 'w')\n",
        "import subprocess\nsubprocess.run(['true'])\n",
    ],
)
def test_something_that_happens_at_import_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "planted.py").write_text(text)
    result = imported(tmp_path, ["planted"], "socket", "subprocess", "threading")
    assert result.returncode != 0
    assert "at import" in result.stderr


def test_a_module_of_definitions_passes(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("import os\n\n\ndef home():\n    return os.environ['HOME']\n")
    result = imported(tmp_path, ["planted"])
    assert result.returncode == 0, result.stderr


STEPS = sorted(path.stem for path in (BACKEND / "chalicelib" / "steps").glob("[!_]*.py"))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_runs_without_the_application(step: str) -> None:
    result = imported(BACKEND, [f"chalicelib.steps.{step}"], *BACKEND_LIBRARIES)
    assert result.returncode == 0, result.stderr
    loaded = result.stdout.strip().split(",")
    assert f"chalicelib.steps.{step}" in loaded
    assert "app" not in loaded
    assert not [name for name in loaded if name.startswith("chalicelib.routes.")]


def test_there_are_steps_to_look_at() -> None:
    assert len(STEPS) == 7
