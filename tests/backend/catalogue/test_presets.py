"""Presets: the required values, the rules for offering them, and overrides of any kind."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from chalicelib.domain import hyperparameters, presets
from chalicelib.domain.configuration import Hyperparameters
from chalicelib.domain.errors import ValidationFailed
from hypothesis import given, settings
from hypothesis import strategies as st

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
CONTRACT = Path(__file__).parents[3] / "contracts" / "job_file.schema.json"
# rank, learning rate, epochs, batch, accumulation, alpha, dropout, warm-up, targets
REQUIRED: dict[str, tuple[Any, ...]] = {
    "conservative": (8, 1e-4, 2, 4, 1, 16, 0.05, 0.03, ATTENTION),
    "balanced": (16, 2e-4, 3, 2, 2, 32, 0.1, 0.05, ALL),
    "aggressive": (32, 3e-4, 4, 1, 4, 64, 0.1, 0.05, ALL),
    "fast": (8, 1e-4, 1, 8, 1, 16, 0.05, 0.03, ATTENTION),
    "quality": (32, 3e-5, 5, 2, 2, 64, 0.1, 0.05, ALL),
}


@pytest.mark.parametrize("preset_id", REQUIRED)
def test_a_preset_has_its_required_values(preset_id: str) -> None:
    made = presets.resolve(preset_id)

    assert (
        made.rank, made.learning_rate, made.epochs, made.batch_size, made.gradient_accumulation_steps,
        made.alpha, made.dropout, made.warmup_ratio, made.target_modules,
    ) == REQUIRED[preset_id]  # fmt: skip
    assert made.scheduler == "cosine"


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.id)
def test_every_preset_lies_inside_the_limits_of_the_api_and_of_the_trainer(preset: presets.Preset) -> None:
    schema = json.loads(CONTRACT.read_text())["properties"]["hyperparameters"]
    values = {**asdict(preset.hyperparameters), "target_modules": list(preset.hyperparameters.target_modules)}

    jsonschema.validate(values, schema)
    assert presets.resolve("custom", values) == preset.hyperparameters


@pytest.mark.parametrize(
    ("conversations", "preset_id"),
    [
        (None, "balanced"), (50, "conservative"), (149, "conservative"), (150, "balanced"), (300, "balanced"),
        (301, "aggressive"),
    ],
)  # fmt: skip
def test_the_default_follows_the_size_of_the_dataset(conversations: int | None, preset_id: str) -> None:
    assert presets.default_preset_id(conversations) == preset_id


@pytest.mark.parametrize(
    ("successes", "conversations", "unlocked"),
    [(0, None, False), (2, 300, False), (3, None, True), (0, 301, True)],
)
def test_aggressive_unlocks_by_experience_or_size(
    successes: int, conversations: int | None, unlocked: bool
) -> None:
    aggressive = presets.find("aggressive")
    assert aggressive is not None

    assert presets.is_unlocked(aggressive, successes=successes, conversations=conversations) is unlocked


def test_overrides_lie_on_top_of_the_preset_and_none_keeps_it() -> None:
    made = presets.resolve("balanced", {"epochs": 5.0, "rank": None, "target_modules": ["v_proj", "q_proj"]})

    assert (made.epochs, made.rank, made.target_modules) == (5, 16, ("q_proj", "v_proj"))
    assert isinstance(made.epochs, int)


BAD_VALUES: dict[str, list[Any]] = {
    "epochs": [0, 21, 2.5, True, "3", 10**400, float("nan"), float("inf")],
    "learning_rate": [9.9e-6, 1.1e-3, -(10**400), "fast"],
    "rank": [3, 129],
    "batch_size": [65],
    "dropout": [0.51, -0.01],
    "scheduler": ["cosine\x00", ["cosine"], {}],
    "target_modules": [[], ["lm_head"], "q_proj", [["q_proj"]], ["q_proj"] * 8],
    "alpha": [[1]],
    "weight_decay": [{}],
    "no_such": [1],
    "\ud800": [1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_VALUES.items() for value in values], ids=ascii
)
def test_a_bad_value_is_refused_under_its_own_name(name: str, value: Any) -> None:
    with pytest.raises(ValidationFailed) as raised:
        presets.resolve("balanced", {name: value})

    assert list(raised.value.details) == [f"hyperparameters.{name}"]


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationFailed) as raised:
        presets.resolve("turbo")

    assert "conservative, balanced, aggressive" in raised.value.details["preset_id"][0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([field.name for field in fields(Hyperparameters)]) | st.text(), JSON))
def test_whatever_json_holds_gives_valid_values_or_a_named_problem(overrides: dict[str, Any]) -> None:
    base = presets.resolve("balanced")
    made, problems = hyperparameters.overridden(base, overrides)

    assert all(name.startswith("hyperparameters.") for name in problems)
    assert not problems or made == base
    for name, limit in hyperparameters.LIMITS.items():
        assert limit.min <= getattr(made, name) <= limit.max


def test_every_hyperparameter_has_a_tooltip() -> None:
    assert {field.name for field in fields(Hyperparameters)} | {"gpu_count"} == set(hyperparameters.HELP)
