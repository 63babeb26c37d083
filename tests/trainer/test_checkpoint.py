"""A checkpoint is whole or absent, loads with plain PEFT, and puts back every bit of state."""

from __future__ import annotations

import errno
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trainer.checkpoint import CheckpointDamagedError
from trainer.config import parse_job
from trainer.errors import CheckpointMismatchError
from trainer.model import Loaded, add_adapters, memory_plan
from trainer.progress import Progress
from trainer.state import capture_random, restore_random
from trainer.training_memory import BatchChoice
from transformers import LlamaConfig, LlamaForCausalLM

from tests.trainer.trainer_support import CPU, job_file
from trainer import checkpoint


def small_model(job: Any) -> Loaded:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    peft = add_adapters(LlamaForCausalLM(config), job)
    plan = memory_plan(job, config, CPU)
    return Loaded(peft, peft.get_base_model(), None, BatchChoice(1, False, 0, True), plan)


def take_steps(loaded: Loaded, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        ids = torch.randint(0, 64, (2, 8))
        loaded.peft(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture
def job(plane: Any) -> Any:
    return parse_job(json.dumps(job_file(plane)))


@pytest.fixture
def saved(job: Any, tmp_path: Path) -> tuple[checkpoint.Checkpoint, Loaded, Any, Any]:
    loaded = small_model(job)
    optimizer = torch.optim.AdamW(loaded.trainable, lr=1e-3)
    take_steps(loaded, optimizer, 3)
    progress = Progress(step=3, total_steps=9, losses=[3.0, float("nan"), 2.0])
    pinned = checkpoint.pins(job, "sha256:abc", "adamw")
    return (
        checkpoint.save(tmp_path, job, loaded, optimizer, progress, capture_random(), pinned),
        loaded,
        optimizer,
        pinned,
    )


def test_restoring_continues_with_the_same_bits(saved: Any, job: Any) -> None:
    found, loaded, optimizer, pinned = saved
    take_steps(loaded, optimizer, 3)
    expected = [parameter.detach().clone() for parameter in loaded.trainable]
    drawn = (torch.rand(3).tolist(), random.random(), float(np.random.rand()))

    fresh = small_model(job)
    other = torch.optim.AdamW(fresh.trainable, lr=1e-3)
    random.seed(99)
    np.random.seed(99)
    progress, generators = checkpoint.restore(found, fresh, other, pinned)
    restore_random(generators)
    take_steps(fresh, other, 3)
    assert all(torch.equal(a, b) for a, b in zip(expected, fresh.trainable, strict=True))
    assert (torch.rand(3).tolist(), random.random(), float(np.random.rand())) == drawn
    assert (progress.step, progress.total_steps) == (3, 9)
    assert progress.losses[1] != progress.losses[1]


def test_the_same_state_has_the_same_hash_and_another_one_has_not(
    saved: Any, job: Any, tmp_path: Path
) -> None:
    found, loaded, optimizer, pinned = saved
    again = checkpoint.save(
        tmp_path / "b", job, loaded, optimizer, Progress(step=3), capture_random(), pinned
    )
    assert again.state_sha256 == found.state_sha256
    take_steps(loaded, optimizer, 1)
    changed = checkpoint.save(
        tmp_path / "c", job, loaded, optimizer, Progress(step=3), capture_random(), pinned
    )
    assert changed.state_sha256 != found.state_sha256


def test_its_adapter_is_plain_peft_and_names_the_hub(saved: Any, job: Any) -> None:
    from peft import PeftModel

    found, loaded, _, _ = saved
    settings = json.loads((found.folder / checkpoint.ADAPTER_CONFIG_FILE).read_text())
    assert settings["base_model_name_or_path"] == job.base_model.hub_id
    assert settings["revision"] == job.base_model.revision
    torch.manual_seed(0)
    base = LlamaForCausalLM(loaded.core.config)
    plain = PeftModel.from_pretrained(base, found.folder).eval()
    ids = torch.arange(10)[None]
    loaded.peft.eval()
    with torch.no_grad():
        assert torch.equal(plain(input_ids=ids).logits, loaded.peft(input_ids=ids).logits)


def test_a_failure_while_writing_leaves_no_checkpoint_behind(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = small_model(job)
    optimizer = torch.optim.AdamW(loaded.trainable, lr=1e-3)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_sync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, job, loaded, optimizer, Progress(step=4), capture_random(), {})
    assert checkpoint.local_checkpoints([tmp_path]) == []


@pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "trainer_state.safetensors", "trainer_state.json"]
)
@pytest.mark.parametrize("damage", ["flip", "remove", "truncate"])
def test_any_damaged_file_is_noticed(saved: Any, name: str, damage: str) -> None:
    path = saved[0].folder / name
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(content[:-1])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(CheckpointDamagedError):
        checkpoint.open_checkpoint(saved[0].folder)


@pytest.mark.parametrize(
    "pin", ["dataset_sha256", "base_model", "seed", "hyperparameters_sha256", "trainer_version"]
)
def test_a_checkpoint_of_another_run_is_refused_by_name(saved: Any, job: Any, pin: str) -> None:
    found, loaded, optimizer, pinned = saved
    with pytest.raises(CheckpointMismatchError, match=pin.replace("_", " ")) as caught:
        checkpoint.restore(found, loaded, optimizer, pinned | {pin: "another"})
    assert caught.value.data == {"differing": [pin]}


def test_an_unknown_image_digest_matches_any(saved: Any) -> None:
    found, loaded, optimizer, pinned = saved
    assert checkpoint.restore(found, loaded, optimizer, pinned | {"image_digest": None})[0].step == 3
    with pytest.raises(CheckpointMismatchError, match="image digest"):
        checkpoint.restore(found, loaded, optimizer, pinned | {"image_digest": "sha256:other"})


def test_a_save_that_fails_leaves_nothing_half_written(
    saved: Any, job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, loaded, optimizer, pinned = saved

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    root = tmp_path / "full"
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(root, job, loaded, optimizer, Progress(step=4), capture_random(), pinned)
    assert list(root.iterdir()) == []
