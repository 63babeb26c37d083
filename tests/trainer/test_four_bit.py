"""Training on 4-bit weights, here on a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from trainer.config import BaseModel, parse_job
from trainer.model_cache import ModelCache, load_tokenizer
from trainer.resources import inspect_machine

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import job_file
from trainer import model


def gradients(loaded: model.Loaded) -> dict[str, torch.Tensor]:
    ids = torch.arange(5, 45)[None]
    loaded.peft.train()
    loaded.peft.zero_grad()
    loaded.peft(input_ids=ids, labels=ids).loss.backward()
    named = loaded.peft.named_parameters()
    return {name: each.grad.clone() for name, each in named if each.requires_grad and each.grad is not None}


def test_a_validation_leaves_the_gradients_of_every_layer_as_they_were(
    plane: FakeControlPlane, models_dir: Path
) -> None:
    changes: dict[str, Any] = {"quantization": "nf4", "hyperparameters": {"dropout": 0.0}}
    job = parse_job(json.dumps(job_file(plane, **changes)))
    base: BaseModel = job.base_model
    cache = ModelCache(models_dir, base)
    loaded = model.load(
        job, cache, load_tokenizer(cache.folder), inspect_machine(), 64, lambda *_: None, lambda: None
    )
    before = gradients(loaded)
    loaded.peft.eval()
    with torch.no_grad():
        loaded.peft(input_ids=torch.arange(5, 45)[None])
    after = gradients(loaded)
    assert (
        set(before)
        == set(after)
        == {name for name, each in loaded.peft.named_parameters() if each.requires_grad}
    )
    assert all(torch.equal(before[name], after[name]) for name in before)
