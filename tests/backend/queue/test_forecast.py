"""When each waiting job is expected to start."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.checkpoint import Checkpoint
from chalicelib.domain.job import JobStatus
from chalicelib.domain.progress import Progress
from chalicelib.domain.queue_forecast import (
    PROVISIONING,
    Confidence,
    Forecast,
    Waiting,
    forecast,
    impact,
    still_holds,
    will_hold,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.queue.examples import MINUTE, queued, running, training
from tests.fakes import START

HOUR = timedelta(hours=1)


def _minutes(made: Forecast) -> list[float]:
    return [(turn.starts_at - START) / MINUTE for turn in made.turns]


def _line(*hours: float) -> list[Waiting]:
    return [Waiting(f"job_{number}", each * HOUR) for number, each in enumerate(hours, start=1)]


@pytest.mark.parametrize(
    ("limit", "busy_minutes", "waiting_hours", "starts_minutes"),
    [
        (3, [], [1], [5]),
        (1, [60], [1], [65]),
        # The second waits for the first, which waits for the running one.
        (1, [60], [1, 1], [65, 65 + 60 + 5]),
        # Two slots free at different times, and the first to start is the first to end.
        (2, [30, 90], [2, 1, 1], [35, 95, 35 + 120 + 5]),
        (3, [10, 20, 30], [1, 1, 1, 1], [15, 25, 35, 15 + 60 + 5]),
        # A free slot beside busy ones.
        (2, [60], [1, 1], [5, 65]),
        # Lowered below what runs: the first two to end free nothing.
        (1, [10, 20, 30], [1], [35]),
        # Overdue runs end now at the earliest.
        (1, [-15], [1], [5]),
    ],
)
def test_slots_are_simulated_over_what_is_left(
    limit: int, busy_minutes: list[int], waiting_hours: list[float], starts_minutes: list[float]
) -> None:
    busy = [START + minutes * MINUTE for minutes in busy_minutes]
    assert _minutes(forecast(START, limit, busy, _line(*waiting_hours))) == starts_minutes


def test_a_job_that_waits_for_a_gpu_does_not_start_before_its_time() -> None:
    line = [Waiting("a", HOUR, START + 20 * MINUTE), Waiting("b", HOUR)]
    assert _minutes(forecast(START, 2, [], line)) == [25, 25]


def test_the_queue_clears_when_its_last_job_starts_and_a_newcomer_comes_after_it() -> None:
    made = forecast(START, 1, [START + HOUR], _line(1, 2))
    assert made.clears_at == START + 2 * HOUR + 10 * MINUTE
    assert made.newcomer.starts_at == START + 4 * HOUR + 15 * MINUTE
    assert made.next_slot_at == START + HOUR
    empty = forecast(START, 3, [START + HOUR], [])
    assert (empty.clears_at, empty.next_slot_at) == (None, START)
    assert empty.newcomer.starts_at == START + PROVISIONING


@pytest.mark.parametrize(
    ("limit", "busy", "confidences"),
    [
        (3, 0, ["high", "high", "high", "medium", "medium", "low"]),
        (3, 3, ["medium", "medium", "low", "low", "low", "low"]),
        (1, 3, ["low", "low", "low", "low", "low", "low"]),
    ],
)
def test_confidence_falls_with_the_jobs_that_must_end_first(
    limit: int, busy: int, confidences: list[str]
) -> None:
    made = forecast(START, limit, [START + HOUR] * busy, _line(*[1.0] * 6))
    assert [turn.confidence for turn in made.turns] == [Confidence(each) for each in confidences]


Ends = st.lists(st.integers(-120, 3000), max_size=12)
Wait = st.tuples(st.integers(0, 3000), st.none() | st.integers(-60, 120))
Line = st.lists(Wait, max_size=12)


def _waiting(facts: list[tuple[int, int | None]]) -> list[Waiting]:
    def at(minutes: int | None) -> datetime | None:
        return None if minutes is None else START + minutes * MINUTE

    return [Waiting(str(number), holds * MINUTE, at(later)) for number, (holds, later) in enumerate(facts)]


@given(st.integers(1, 10), Ends, Line, Line)
def test_starts_are_never_past_follow_the_positions_and_are_moved_by_nobody_behind(
    limit: int, ends: list[int], line: list[tuple[int, int | None]], behind: list[tuple[int, int | None]]
) -> None:
    busy = [START + minutes * MINUTE for minutes in ends]
    made = forecast(START, limit, busy, _waiting(line))
    starts = [turn.starts_at for turn in made.turns]
    assert all(start >= START + PROVISIONING for start in starts)
    assert starts == sorted(starts)
    assert [turn.position for turn in made.turns] == list(range(1, len(line) + 1))
    assert made.newcomer.starts_at >= max(starts, default=START)
    longer = forecast(START, limit, busy, _waiting([*line, *behind]))
    assert longer.turns[: len(line)] == made.turns


@given(st.integers(1, 10), Ends, Line)
def test_never_more_slots_than_the_limit_are_in_use_at_once(
    limit: int, ends: list[int], line: list[tuple[int, int | None]]
) -> None:
    busy = [START + max(0, minutes) * MINUTE for minutes in ends]
    waiting = _waiting(line)
    turns = forecast(START, limit, busy, waiting).turns
    spans = [
        (turn.starts_at - PROVISIONING, turn.starts_at + each.holds)
        for turn, each in zip(turns, waiting, strict=True)
    ]
    for taken_at, _ in spans:
        holding = sum(begin <= taken_at < end for begin, end in spans)
        holding += sum(end > taken_at for end in busy)
        assert holding <= limit


def test_an_active_job_is_measured_by_its_steps_and_pace() -> None:
    job = running(1)
    row = training(job, step=400, seconds_per_step=2.0)
    assert still_holds(job, row, START + HOUR) == timedelta(seconds=600 * 2 + 60)


def test_without_a_pace_the_estimate_stands_in() -> None:
    job = running(1, hours=2)
    none = Progress(job.id)
    assert still_holds(job, none, START + 30 * MINUTE) == 2 * HOUR + PROVISIONING - 30 * MINUTE
    assert still_holds(job, none, START + 9 * HOUR) == MINUTE
    half = training(job, step=500, seconds_per_step=None)
    assert still_holds(job, half, START + 30 * MINUTE) == HOUR
    fresh = transitions.claim(queued(2, hours=1), START)
    assert still_holds(fresh, Progress(fresh.id), START) == HOUR + PROVISIONING


def test_a_job_that_is_being_ended_holds_its_slot_for_moments() -> None:
    row = training(running(1), step=10, seconds_per_step=60.0)
    for status in (JobStatus.CANCELLING, JobStatus.PAUSING):
        assert still_holds(running(1, status=status), row, START) == 2 * MINUTE


def test_a_resumed_job_has_only_the_rest_to_do() -> None:
    checkpoint = Checkpoint(750, 1, "jobs/x/attempts/1/checkpoints/750", (), START)
    assert will_hold(queued(1, hours=4)) == 4 * HOUR
    assert will_hold(queued(1, hours=4, checkpoint=checkpoint)) == HOUR
    recovering = running(1, hours=4, status=JobStatus.RECOVERING, checkpoint=checkpoint)
    assert still_holds(recovering, Progress(recovering.id), START + HOUR) == HOUR + PROVISIONING


def test_the_impact_of_a_promotion_is_what_the_others_wait_longer() -> None:
    line = _line(2, 2, 1)
    found = impact(START, 1, [START + HOUR], line, "job_3")
    assert found is not None
    # Both wait for the one-hour job and its five minutes of provisioning.
    assert (found.position, found.delayed_jobs, found.delay) == (3, 2, HOUR + PROVISIONING)
    first = impact(START, 1, [], line, "job_1")
    assert first is not None
    assert (first.delayed_jobs, first.delay) == (0, timedelta())
    assert impact(START, 1, [], line, "job_9") is None


def test_an_unknown_estimate_counts_as_an_hour() -> None:
    assert will_hold(replace(queued(1), estimate=None)) == HOUR
