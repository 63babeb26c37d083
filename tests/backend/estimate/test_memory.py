"""Memory: term by term by hand, against published facts, and as rules."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest
from chalicelib.domain import base_models, memory, presets, training_memory
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.hyperparameters import ALL_LINEAR_MODULES
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import training_memory as trainers

MODELS = st.sampled_from([*base_models.HUB_MODELS, *base_models.LOCAL_MODELS])


def _model(model_id: str) -> BaseModel:
    model = base_models.find(model_id)
    assert model is not None
    return model


@pytest.mark.parametrize(
    ("model_id", "rank", "weights"),
    [
        # Llama 8B: 32 layers x 16 x (8,192 + 2 x 5,120 + 8,192 + 3 x 18,432)
        ("llama-3.1-8b-instruct", 16, 41_943_040),
        ("llama-3.1-70b-instruct", 16, 207_093_760),
    ],
)
def test_adapter_weights_are_two_factors_per_projection(model_id: str, rank: int, weights: int) -> None:
    shape = _model(model_id).shape

    assert training_memory.adapter_parameters(shape, rank, ALL_LINEAR_MODULES) == weights


def test_every_term_of_the_formula_counts() -> None:
    values = presets.resolve("balanced", {"batch_size": 1})
    plan = memory.plan_of(_model("llama-3.1-8b-instruct").shape, values, "nf4")
    needed = training_memory.needed_bytes(plan, 2048, recompute=True)

    linear = 32 * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 14336)
    a_layer = 2048 * ((2 * 4096 + 3 * 4096 + 2 * 1024 + 4 * 14336) * 2 + 2 * 4096 * 4)
    passing = 2048 * 2 * (3 * 14336 + 2 * 4096) + 4096 * 14336 * 2
    head = 1024 * 128256 * (4 + 2)
    by_hand = (
        linear * (0.5 + 1 / 64 + 4 / 16384)
        + 2 * 128256 * 4096 * 2
        + 41_943_040 * 10
        + 32 * 2048 * 4096 * 2
        + a_layer
        + max(passing, head)
        + 1_500_000_000
    )
    assert needed == int(by_hand)


def test_backend_and_trainer_reckon_with_one_and_the_same_file() -> None:
    ours, theirs = Path(training_memory.__file__ or ""), Path(trainers.__file__ or "")
    assert ours.is_symlink()
    assert ours.resolve() == theirs.resolve()


@settings(deadline=None)
@given(model=MODELS, batch=st.integers(1, 64), tokens=st.integers(64, 8192), memory_gb=st.integers(8, 180))
def test_the_promised_micro_batch_is_the_one_the_trainer_chooses(
    model: BaseModel, batch: int, tokens: int, memory_gb: int
) -> None:
    values = presets.resolve("balanced", {"batch_size": batch, "max_sequence_length": tokens})
    promised = memory.fit(model, values, "nf4", memory_gb)
    plan = trainers.Plan(
        trainers.Shape(*astuple(model.shape)), values.rank, tuple(values.target_modules), True, True, 2
    )
    longest = min(values.max_sequence_length, model.context_length)
    choice = trainers.choose_batch(plan, longest, batch, memory_gb * memory.GIB)

    assert (promised.fits, promised.micro_batch_size) == (choice.fits, choice.micro_batch)
    assert batch % choice.micro_batch == 0


def test_a_seventy_billion_model_fits_eighty_gigabytes_and_not_forty_eight() -> None:
    values = presets.resolve("balanced")

    assert memory.fit(_model("llama-3.1-70b-instruct"), values, "nf4", 80).fits
    refused = memory.fit(_model("llama-3.1-70b-instruct"), values, "nf4", 48)
    assert not refused.fits
    assert "Choose a GPU with more memory" in refused.message


def test_the_micro_batch_shrinks_before_the_job_is_refused_and_the_effective_batch_stays() -> None:
    values = presets.resolve("balanced", {"batch_size": 16, "gradient_accumulation_steps": 1})
    fit = memory.fit(_model("llama-3.1-8b-instruct"), values, "nf4", 24)

    assert fit.fits
    assert fit.micro_batch_size < 16
    assert 16 % fit.micro_batch_size == 0
    assert "the effective batch stays 16" in fit.message


@settings(deadline=None)
@given(model=MODELS, rank=st.integers(4, 127), batch=st.integers(1, 64), memory_gb=st.integers(8, 180))
def test_more_memory_never_hurts_and_a_higher_rank_never_helps(
    model: BaseModel, rank: int, batch: int, memory_gb: int
) -> None:
    lower = presets.resolve("balanced", {"rank": rank, "batch_size": batch})
    higher = presets.resolve("balanced", {"rank": rank + 1, "batch_size": batch})
    quantization = model.quantization
    here = memory.fit(model, lower, quantization, memory_gb)

    assert memory.fit(model, lower, quantization, memory_gb + 8).fits >= here.fits
    assert memory.fit(model, higher, quantization, memory_gb).fits <= here.fits
    more, less = (memory.plan_of(model.shape, values, quantization) for values in (higher, lower))
    assert training_memory.needed_bytes(more, 512, True) > training_memory.needed_bytes(less, 512, True)
