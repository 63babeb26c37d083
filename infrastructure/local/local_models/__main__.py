"""`python -m local_models demo|tiny --models-dir DIR`: put a local model where the trainer looks for it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from local_models import demo, tiny
from local_models.catalogue import DEMO, TINY, LocalModel


def ensure(models_dir: Path, model: LocalModel, build: Callable[[Path], int]) -> Path:
    """The model's complete folder, built when it is missing. A half-built one never has the final name."""
    folder = models_dir / model.folder_name
    if (folder / "config.json").exists():
        return folder
    models_dir.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=models_dir))
    try:
        build(building)
        building.chmod(0o755)
        building.rename(folder)
    except OSError:
        # Another process may have finished the same folder first.
        if not (folder / "config.json").exists():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def ensure_tiny(models_dir: Path) -> Path:
    """The tiny model's folder."""
    return ensure(models_dir, TINY, tiny.build)


def ensure_demo(models_dir: Path) -> Path:
    """The demo model's folder. Raises DemoModelUnavailableError when the registry has no answer."""
    with tempfile.TemporaryDirectory() as scratch:
        return ensure(models_dir, DEMO, lambda folder: demo.build(folder, Path(scratch)))


def main(arguments: list[str]) -> int:
    """Build the asked model, print its hub id, revision and folder; the demo falls back to the tiny one,
    saying so."""
    parser = argparse.ArgumentParser(prog="python -m local_models")
    parser.add_argument("model", choices=["demo", "tiny"])
    parser.add_argument("--models-dir", type=Path, required=True, help="the trainer's model cache")
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    model, folder = TINY, None
    if chosen.model == "demo":
        try:
            model, folder = DEMO, ensure_demo(chosen.models_dir)
        except demo.DemoModelUnavailableError as error:
            print(f"{DEMO.name} is not available ({error}); using {TINY.name} instead.", file=sys.stderr)
            model = TINY
    folder = folder or ensure_tiny(chosen.models_dir)
    print(f"{model.hub_id}@{model.revision} {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
