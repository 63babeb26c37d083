"""What two jobs differ in, and what a hundredth of the loss cost each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain.comparison import chosen, differences, outcome, shared_tags
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.job import Job
from chalicelib.domain.pause import Pause

from tests.builders import HYPERPARAMETERS, a_job, a_person
from tests.fakes import START


def _with(number: int = 2, **values: Any) -> Job:
    job = a_job(number)
    return replace(
        job, configuration=replace(job.configuration, hyperparameters=replace(HYPERPARAMETERS, **values))
    )


def _differing(*jobs: Job) -> list[str]:
    return [each.field for each in differences(jobs) if each.differs]


def _point(step: int, loss: float | None, **more: Any) -> dict[str, Any]:
    at = (START + timedelta(seconds=step)).isoformat()
    return {
        "step": step,
        "training_loss": 2.0,
        "validation_loss": loss,
        "cost_usd": step / 100,
        "at": at,
    } | more


def test_equal_jobs_differ_in_nothing() -> None:
    assert _differing(a_job(1), a_job(2), a_job(3)) == []


def test_a_setting_that_one_of_three_changed_is_marked_with_every_value() -> None:
    found = {each.field: each for each in differences([a_job(1), _with(2, rank=64), a_job(3)])}
    assert found["rank"].values == (16, 64, 16)
    assert found["rank"].differs
    assert not found["alpha"].differs


def test_what_follows_from_two_settings_is_marked_too() -> None:
    assert _differing(a_job(1), _with(batch_size=4)) == ["batch_size", "effective_batch"]
    assert _differing(a_job(1), _with(batch_size=4, gradient_accumulation_steps=1)) == [
        "batch_size",
        "gradient_accumulation_steps",
    ]


def test_target_modules_agree_in_any_order() -> None:
    assert _differing(a_job(1), _with(target_modules=("v_proj", "q_proj"))) == []


def test_datasets_of_one_name_with_other_rows_differ() -> None:
    other = replace(a_job(2), dataset=replace(a_job(2).dataset, sha256="b" * 64))
    found = {each.field: each for each in differences([a_job(1), other])}
    assert found["dataset"].differs
    assert found["dataset"].values == ("Harbour", "Harbour")


def test_shared_tags_are_those_of_every_job() -> None:
    jobs = [a_job(1, tags=("b", "a", "c")), a_job(2, tags=("a", "b")), a_job(3, tags=("b", "d", "a"))]
    assert shared_tags(jobs) == ("b", "a")


def test_the_price_of_a_hundredth_is_from_the_first_to_the_best_validation() -> None:
    job = a_job(started_at=START)
    rows = [_point(0, 2.0), _point(10, None), _point(50, 1.5), _point(90, 1.0), _point(100, 1.1)]
    found = outcome(job, rows)
    assert (found.first_loss, found.best_loss, found.last_loss, found.best_step) == (2.0, 1.0, 1.1, 90)
    assert found.gained == pytest.approx(1.0)
    assert found.cost_usd == Decimal("0.9000")
    assert found.cost_per_hundredth_usd == Decimal("0.0090")
    assert found.seconds_to_best == 90


def test_of_two_equal_losses_the_earlier_is_the_best() -> None:
    assert outcome(a_job(), [_point(1, 2.0), _point(2, 1.0), _point(3, 1.0)]).best_step == 2


def test_a_loss_that_only_rose_has_no_price() -> None:
    found = outcome(a_job(), [_point(1, 1.0), _point(2, 1.2)])
    assert (found.best_step, found.gained, found.cost_per_hundredth_usd) == (1, 0.0, None)


def test_points_without_money_validation_or_any_point_at_all_say_so() -> None:
    assert outcome(a_job(), [_point(1, 2.0, cost_usd=None), _point(2, 1.0)]).cost_per_hundredth_usd is None
    assert outcome(a_job(), [_point(1, None)]).training_loss == 2.0
    assert outcome(a_job(), [_point(1, None)]).best_loss is None
    assert outcome(a_job(), []).training_loss is None


def test_the_time_to_the_best_leaves_pauses_out() -> None:
    rested = Pause(
        START, a_person(), paused_at=START + timedelta(seconds=20), over_at=START + timedelta(seconds=50)
    )
    later = Pause(START, a_person(), paused_at=START + timedelta(seconds=200))
    job = a_job(started_at=START, pauses=(rested, later))
    assert outcome(job, [_point(1, 2.0), _point(90, 1.0)]).seconds_to_best == 60


@pytest.mark.parametrize("text", ["", "a", "a,,", "a,b,c,d,e", "a,b,a"])
def test_a_choice_that_cannot_be_compared_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed):
        chosen(text)


def test_two_to_four_jobs_are_chosen_in_order() -> None:
    assert chosen("b, a") == ("b", "a")
    assert chosen("a,b,c,d") == ("a", "b", "c", "d")
