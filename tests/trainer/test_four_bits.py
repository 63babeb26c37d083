"""4-bit base models with 8-bit optimizers: nothing about them may change behind the run's back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from trainer.chat import Example
from trainer.config import Job, parse_job
from trainer.errors import CheckpointMismatchError
from trainer.model_cache import ModelCache, load_tokenizer
from trainer.progress import Progress
from trainer.resources import Machine, NoGpu
from trainer.state import capture_random

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import job_file
from trainer import checkpoint, evaluate, loss, model, session

CPU = Machine(torch.device("cpu"), torch.float32, None, 0, 0.0, NoGpu())
EXAMPLES = [
    Example(
        at,
        tuple((5 * at + 3 * place) % 900 + 4 for place in range(size)),
        tuple(place > 2 for place in range(size)),
    )
    for at, size in enumerate((20, 31, 12, 40))
]


@pytest.fixture
def job(plane: FakeControlPlane) -> Job:
    asked = job_file(
        plane, quantization="nf4", optimizer="adamw_8bit", hyperparameters={"rank": 32, "dropout": 0.0}
    )
    return parse_job(json.dumps(asked))


@pytest.fixture
def loaded(job: Job, models_dir: Path) -> model.Loaded:
    cache = ModelCache(models_dir, job.base_model)
    tokenizer = load_tokenizer(cache.folder)
    return model.load(job, cache, tokenizer, CPU, 40, lambda *_: None, lambda: None)


def frozen(loaded: model.Loaded) -> dict[str, bytes]:
    """The bytes of every 4-bit weight with everything its meaning depends on."""
    found = {}
    for name, parameter in loaded.core.named_parameters():
        if state := getattr(parameter, "quant_state", None):
            parts = [parameter.data, state.absmax, *((state.offset,) if state.nested else ())]
            found[name] = b"".join(part.reshape(-1).view(torch.uint8).numpy().tobytes() for part in parts)
    return found


def step(loaded: model.Loaded, optimizer: torch.optim.Optimizer) -> float:
    total = loss.summed_loss(loaded.core, loss.packed(EXAMPLES, [0, 1, 2, 3], CPU.device, loaded.bounded))
    total.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total.item()


def test_an_evaluation_leaves_the_4_bit_base_as_it_was(loaded: model.Loaded) -> None:
    before = frozen(loaded)
    assert before
    evaluate.row_losses(loaded, EXAMPLES, CPU, 2, True, lambda: None)
    evaluate.row_losses(loaded, EXAMPLES, CPU, 2, False, lambda: None)
    evaluate.generate(loaded, [5, 6, 7], 3, CPU)
    assert frozen(loaded) == before


def test_moments_in_8_bits_survive_a_checkpoint_bit_by_bit(
    job: Job, loaded: model.Loaded, models_dir: Path, tmp_path: Path
) -> None:
    optimizer: Any = session.make_optimizer(job, loaded, CPU)
    for _ in range(3):
        step(loaded, optimizer)
    moments = [state["state1"].dtype for state in optimizer.state.values()]
    assert torch.uint8 in moments
    pinned = checkpoint.pins(job, None, "adamw_8bit")
    saved = checkpoint.save(
        tmp_path, job, loaded, optimizer, Progress(step=3, total_steps=9), capture_random(), pinned
    )
    expected = [step(loaded, optimizer) for _ in range(3)]

    cache = ModelCache(models_dir, job.base_model)
    fresh = model.load(job, cache, loaded.tokenizer, CPU, 40, lambda *_: None, lambda: None)
    other = session.make_optimizer(job, fresh, CPU)
    checkpoint.restore(saved, fresh, other, pinned)
    assert [step(fresh, other) for _ in range(3)] == expected
    for ours, theirs in zip(fresh.trainable, loaded.trainable, strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_of_another_optimizer_is_refused(job: Job, loaded: model.Loaded, tmp_path: Path) -> None:
    optimizer = session.make_optimizer(job, loaded, CPU)
    step(loaded, optimizer)
    pinned = checkpoint.pins(job, None, "adamw_8bit")
    progress = Progress(step=1, total_steps=9)
    saved = checkpoint.save(tmp_path, job, loaded, optimizer, progress, capture_random(), pinned)
    with pytest.raises(CheckpointMismatchError, match="another optimizer"):
        checkpoint.restore(saved, loaded, optimizer, checkpoint.pins(job, None, "adamw"))


def gradients(loaded: model.Loaded) -> dict[str, torch.Tensor]:
    ids = torch.arange(5, 45)[None]
    loaded.peft.train()
    loaded.peft.zero_grad()
    loaded.peft(input_ids=ids, labels=ids).loss.backward()
    named = loaded.peft.named_parameters()
    return {name: each.grad.clone() for name, each in named if each.requires_grad and each.grad is not None}


def test_an_evaluation_leaves_the_gradients_of_every_layer_as_they_were(loaded: model.Loaded) -> None:
    before = gradients(loaded)
    evaluate.row_losses(loaded, EXAMPLES, CPU, 2, True, lambda: None)
    after = gradients(loaded)
    trainable = {name for name, each in loaded.peft.named_parameters() if each.requires_grad}
    assert set(before) == set(after) == trainable
    assert all(torch.equal(before[name], after[name]) for name in before)
