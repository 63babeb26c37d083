"""Memory: term by term by hand, against published facts, and as rules."""

from __future__ import annotations

import pytest
from chalicelib.domain import base_models, memory, presets
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.hyperparameters import ALL_LINEAR_MODULES
from hypothesis import given, settings
from hypothesis import strategies as st
from trainer.memory import ModelShape, training_bytes

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

    assert memory.adapter_parameters(shape, rank, ALL_LINEAR_MODULES) == weights


def test_every_term_of_the_formula_counts() -> None:
    values = presets.resolve("balanced", {"batch_size": 1})
    needed = memory.needed_bytes(_model("llama-3.1-8b-instruct").shape, values, "nf4", 1, 2048)

    linear = 32 * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 14336)
    by_hand = (
        linear * (0.5 + 1 / 64 + 4 / 16384)
        + 2 * 128256 * 4096 * 2
        + 41_943_040 * 10
        + 32 * 2048 * 4096 * 2
        + 2048 * 2 * (10 * 4096 + 6 * 1024 + 8 * 14336)
        + 2 * 4096 * 14336
        + 1025 * 128256 * 14
        + 1_500_000_000
    )
    assert needed == int(by_hand)


@settings(deadline=None)
@given(
    model=MODELS,
    rank=st.integers(4, 128),
    micro_batch=st.integers(1, 16),
    tokens=st.integers(64, 8192),
    four_bit=st.booleans(),
)
def test_the_trainer_reckons_with_the_same_memory(
    model: BaseModel, rank: int, micro_batch: int, tokens: int, four_bit: bool
) -> None:
    shape = model.shape
    # The trainer's shape has no head size of its own, so models with wide attention are left out here.
    if shape.attention != shape.hidden:
        return
    values = presets.resolve("balanced", {"rank": rank})
    theirs = ModelShape(
        shape.hidden, shape.layers, shape.intermediate, shape.key_value, shape.vocabulary, shape.tied
    )
    ours = memory.needed_bytes(shape, values, "nf4" if four_bit else "none", micro_batch, tokens)

    assert ours == training_bytes(theirs, rank, four_bit, 2 if four_bit else 4, micro_batch * tokens, True)


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
    assert memory.needed_bytes(model.shape, higher, quantization, 1, 512) > memory.needed_bytes(
        model.shape, lower, quantization, 1, 512
    )
