"""The score: each part at its bounds, the whole from real-looking summaries, and honesty without metrics."""

from __future__ import annotations

import math
from typing import Any

import pytest
from chalicelib.domain import quality
from chalicelib.domain.quality import Quality
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

FALLEN_AND_FLAT = [[step, 2.0 * math.exp(-step / 10) + 1.0] for step in range(100)]
STILL_FALLING = [[step, 3.0 - 0.02 * step] for step in range(100)]
NEVER_FALLING = [[step, 2.0 + 0.01 * step] for step in range(100)]
GOOD: dict[str, Any] = {
    "base_validation_loss": 2.1,
    "validation_loss": 1.05,
    "training_loss": 1.0,
    "loss_curve": FALLEN_AND_FLAT,
}


def _points(made: Quality) -> dict[str, float]:
    return {part.id: part.points for part in made.parts}


def test_a_good_run_has_five_stars_and_says_why() -> None:
    made = quality.score(GOOD)

    assert (made.score, made.stars, made.known, made.convergence) == (5.0, 5.0, True, "converged")
    assert [part.sentence for part in made.parts] == [
        "100% of the loss drop was reached and the curve is flat.",
        "Validation loss is 5% above training loss.",
        "Validation loss fell by 50% against the base model.",
    ]
    assert [part.of for part in made.parts] == [2.0, 1.5, 1.5]


def test_without_metrics_the_score_is_three_and_unknown() -> None:
    made = quality.score({"loss_curve": [], "validation_loss": None})

    assert made == Quality(3.0, 3.0, False, (), "unknown")


def test_a_curve_that_still_falls_has_not_converged() -> None:
    made = quality.score({**GOOD, "loss_curve": STILL_FALLING})

    # All of the drop is kept at the end (1 point), but more than a tenth of it fell in the last fifth (half a point).
    assert (_points(made)["convergence"], made.convergence) == (1.5, "nearly")


def test_a_curve_that_never_falls_earns_nothing() -> None:
    made = quality.score({**GOOD, "loss_curve": NEVER_FALLING})

    assert (_points(made)["convergence"], made.convergence) == (0.0, "not_converged")
    assert made.parts[0].sentence == "Training loss did not fall."


def test_a_run_that_climbs_back_loses_what_it_lost() -> None:
    falling = [[step, 3.0 - 0.04 * step] for step in range(50)]
    rising = [[50 + step, 1.0 + 0.04 * step] for step in range(50)]

    assert _points(quality.score({**GOOD, "loss_curve": falling + rising}))["convergence"] == 0.0


@pytest.mark.parametrize(
    ("validation", "points"),
    [(0.9, 1.5), (1.1, 1.5), (1.11, 1.0), (1.25, 1.0), (1.4, 0.5), (1.5, 0.5), (1.6, 0.0)],
)
def test_the_further_validation_lies_above_training_the_fewer_points(
    validation: float, points: float
) -> None:
    made = quality.score({"validation_loss": validation, "training_loss": 1.0})

    assert _points(made) == {"generalisation": points}


def test_two_tiny_losses_are_no_sign_of_overfitting() -> None:
    assert _points(quality.score({"validation_loss": 0.05, "training_loss": 0.01})) == {"generalisation": 1.5}


@pytest.mark.parametrize(
    ("validation", "points"), [(0.6, 1.5), (0.61, 1.0), (0.8, 1.0), (0.9, 0.5), (0.96, 0.0), (1.2, 0.0)]
)
def test_the_more_validation_loss_fell_against_the_base_the_more_points(
    validation: float, points: float
) -> None:
    made = quality.score({"validation_loss": validation, "base_validation_loss": 1.0})

    assert _points(made) == {"improvement": points}


def test_a_model_worse_than_its_base_is_told_so() -> None:
    made = quality.score({"validation_loss": 1.2, "base_validation_loss": 1.0})

    assert made.parts[0].sentence == "Validation loss rose by 20% against the base model."


def test_parts_not_measured_leave_the_scale() -> None:
    # 1.0 of 1.5 points is 3.33 of 5, the nearest half is 3.5.
    assert quality.score({"validation_loss": 0.8, "base_validation_loss": 1.0}).score == 3.5


@pytest.mark.parametrize(
    ("loss", "expected"), [(1.3, 3.6693), (0.0, 1.0), (None, None), (math.inf, None), (9999.0, None)]
)
def test_perplexity_is_the_exponential_of_the_validation_loss(
    loss: float | None, expected: float | None
) -> None:
    made = quality.perplexity(loss)

    assert made == (None if expected is None else pytest.approx(expected, abs=1e-4))


NUMBERS = st.none() | st.floats() | st.just(10**400) | st.integers() | st.booleans() | st.text(max_size=3)
CURVES = st.lists(st.lists(NUMBERS, max_size=3) | NUMBERS, max_size=30)


@settings(deadline=None)
@given(base=NUMBERS, validation=NUMBERS, training=NUMBERS, curve=st.none() | CURVES)
def test_any_summary_gives_a_half_step_between_zero_and_five(
    base: Any, validation: Any, training: Any, curve: Any
) -> None:
    made = quality.score(
        {
            "base_validation_loss": base,
            "validation_loss": validation,
            "training_loss": training,
            "loss_curve": curve,
        }
    )

    assert 0 <= made.score <= 5
    assert made.score * 2 == int(made.score * 2)
    assert all(0 <= part.points <= part.of for part in made.parts)
    assert TypeAdapter(Quality).validate_json(TypeAdapter(Quality).dump_json(made)) == made
