"""Fixtures of the trainer's tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.fake_control_plane import FakeControlPlane

# Two threads waiting for one shared core are slower than one, and thread counts change sums.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Third-party deprecations that training cannot avoid."""
    for item in items:
        if "tests/trainer" in str(item.path):
            # transformers reads its own deprecated property while deciding on the cache.
            item.add_marker(
                pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
            )


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """A model cache with the tiny model, built once per recipe and kept between runs."""
    import torch

    torch.set_num_threads(1)
    from local_models.__main__ import ensure_tiny
    from local_models.catalogue import TINY

    return ensure_tiny(Path(tempfile.gettempdir()) / f"lora-pipeline-models-{TINY.revision}").parent


@pytest.fixture
def start(plane: FakeControlPlane, models_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """Run one job in this process to its end, however it ends; returns its work folder."""
    import torch
    from trainer.__main__ import recipe
    from trainer.config import parse_job
    from trainer.pod import open_pod

    from tests.trainer.trainer_support import CPU, environment, job_file
    from trainer import ending

    torch.set_num_threads(1)

    def run(work: str = "work", **changes: Any) -> Path:
        job = job_file(plane, **changes)
        place = environment(plane, job, models_dir, tmp_path / work)
        with open_pod(parse_job(place.job_text), place) as pod:
            ending.guarded(pod, CPU, recipe)
        return pod.folder

    return run


@pytest.fixture
def plane() -> Iterator[FakeControlPlane]:
    """A control plane with forty conversations."""
    from tests.trainer.trainer_support import SECRET, as_jsonl, conversations

    with FakeControlPlane(SECRET, as_jsonl(conversations(40))) as fake:
        yield fake
        assert fake.problems == []
