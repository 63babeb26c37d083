"""What stopped and paused jobs add up to, and when pausing helps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from chalicelib.domain.gpu import Tier
from chalicelib.domain.job import Cancellation, Job, JobStatus
from chalicelib.domain.pause import Pause
from chalicelib.domain.peak_hours import Exposure, exposure, reduction
from chalicelib.domain.stop_records import as_record, from_record
from chalicelib.domain.stops import (
    JobFacts,
    by_person,
    cancellations,
    facts_of,
    pausing,
    was_cancelled_before,
)

from tests.backend.estimate.examples import an_estimate
from tests.builders import DANA, HYPERPARAMETERS, MIRO, a_job, a_person
from tests.fakes import START

HOUR = timedelta(hours=1)


def job(number: int = 1, **changes: Any) -> Job:
    """One that ran for four hours and cost four dollars."""
    given = {
        "status": JobStatus.COMPLETED,
        "started_at": START,
        "ended_at": START + 4 * HOUR,
        "cost_usd": Decimal(4),
        "estimate": an_estimate(),
        **changes,
    }
    return a_job(number, **given)


def cancelled(number: int = 1, after: timedelta = HOUR, reason: str = "too_expensive", **changes: Any) -> Job:
    at = START + after
    asked = Cancellation(reason, None, a_person(), at)
    return job(
        number,
        **{"status": JobStatus.CANCELLED, "ended_at": at, "cancellation": asked, "cost_usd": Decimal(1)}
        | changes,
    )


def facts(*jobs: Job) -> list[JobFacts]:
    found = [facts_of(each) for each in jobs]
    return [each for each in found if each is not None]


def paused(start_hours: float, hours: float | None) -> Pause:
    at = START + start_hours * HOUR
    over = None if hours is None else at + hours * HOUR
    return Pause(at, a_person(), at, 7, True, over, None if over is None else a_person(), over)


def test_only_jobs_that_ended_or_were_paused_count() -> None:
    assert facts_of(a_job(status=JobStatus.QUEUED)) is None
    assert facts_of(job(status=JobStatus.RUNNING, ended_at=None)) is None
    still = facts_of(job(status=JobStatus.PAUSED, ended_at=None, pauses=(paused(1, None),)))
    assert still is not None
    assert not still.has_ended


def test_facts_survive_their_record() -> None:
    rich = cancelled(pauses=(paused(0.2, 0.3),), losses=(START + HOUR,))
    for each in facts(job(), rich, job(status=JobStatus.PAUSED, ended_at=None, pauses=(paused(1, None),))):
        assert from_record(as_record(each)) == each


def test_cancellations_have_a_rate_a_time_reasons_and_what_they_saved() -> None:
    found = cancellations(
        facts(
            job(1),
            job(2),
            cancelled(3),
            cancelled(4, 3 * HOUR, "testing"),
            cancelled(5, reason="testing", started_at=None),
        )
    )
    assert (found.ended, found.cancelled, found.rate, found.started) == (5, 3, 0.6, 2)
    assert found.seconds_to_cancel == 2 * 3600
    assert found.reasons == (("testing", 2), ("too_expensive", 1))
    expected = an_estimate().cost_usd.expected
    assert found.saved_usd == 3 * max(Decimal(0), expected - 1)
    assert found.spent_usd == 3


def test_a_cancelled_job_that_cost_more_than_expected_saved_nothing() -> None:
    assert cancellations(facts(cancelled(cost_usd=Decimal(10_000)))).saved_usd == 0


def test_too_few_jobs_have_no_rate() -> None:
    found = cancellations(facts(job(1), cancelled(2)))
    assert (found.ended, found.cancelled, found.rate) == (2, 1, None)
    nothing = cancellations([])
    assert (nothing.rate, nothing.seconds_to_cancel) == (None, None)
    assert nothing.saved_usd == 0


def test_time_to_cancel_leaves_out_pauses() -> None:
    found = cancellations(facts(cancelled(1, 5 * HOUR, pauses=(paused(1, 2),))))
    assert found.seconds_to_cancel == 3 * 3600


def test_pauses_have_a_rate_a_length_a_success_and_what_they_saved() -> None:
    resumed = [job(number, ended_at=START + 6 * HOUR, pauses=(paused(1, 2),)) for number in range(1, 5)]
    failed = job(5, status=JobStatus.FAILED, pauses=(paused(1, 1), paused(3, 0.5)))
    waiting = job(6, status=JobStatus.PAUSED, ended_at=None, pauses=(paused(2, None),))
    found = pausing(facts(*resumed, failed, waiting, job(7), job(8)), START + 4 * HOUR)
    assert (found.jobs, found.paused, found.pauses, found.rate) == (8, 6, 7, 0.75)
    assert (found.over, found.average_seconds) == (6, (4 * 7200 + 3600 + 1800) / 6)
    assert (found.resumed, found.resumed_completed, found.resume_success) == (5, 4, 0.8)
    hours = Decimal(4 * 2) + Decimal("1.5") + 2
    assert found.saved_usd == pytest.approx(hours * an_estimate().hourly_rate_usd)


def test_people_stand_by_their_number_of_jobs() -> None:
    own = [job(1), job(2, created_by=a_person(MIRO)), job(3)]
    assert [(person.name, len(each)) for person, each in by_person(facts(*own))] == [
        (DANA.name, 2),
        (MIRO.name, 1),
    ]


def test_the_last_job_of_a_configuration_decides_whether_it_was_cancelled_before() -> None:
    early, late = cancelled(1, HOUR), job(2, ended_at=START + 9 * HOUR)
    wanted = early.configuration
    assert was_cancelled_before(facts(early), early.dataset.id, wanted)
    assert not was_cancelled_before(facts(early, late), early.dataset.id, wanted)
    assert not was_cancelled_before(facts(early), "ds_other", wanted)
    other = replace(wanted, hyperparameters=replace(HYPERPARAMETERS, rank=8))
    assert not was_cancelled_before(facts(early), early.dataset.id, other)


def spot(start: datetime, hours: float, losses: tuple[datetime, ...] = (), **changes: Any) -> Job:
    return job(started_at=start, ended_at=start + hours * HOUR, losses=losses, **changes)


def test_hours_and_losses_fall_into_the_hours_of_the_reader() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    day = facts(spot(noon, 24, (noon, noon + 10 * HOUR)))
    assert exposure(day, UTC, noon) == Exposure(8, 16, 1, 1)
    # At 22:00 UTC it is 14:00 in California, and noon UTC is 4:00 there.
    assert exposure(day, ZoneInfo("America/Los_Angeles"), noon) == Exposure(8, 16, 1, 1)
    assert exposure(facts(spot(noon, 4, (noon,))), ZoneInfo("Asia/Tokyo"), noon) == Exposure(0, 4, 0, 1)


def test_paused_hours_and_on_demand_hours_are_no_exposure() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    rest = Pause(noon + HOUR, a_person(), noon + HOUR, 7, True, noon + 3 * HOUR, a_person(), noon + 3 * HOUR)
    assert exposure(facts(spot(noon, 4, pauses=(rest,))), UTC, noon).hours == 2
    gpu = replace(job().configuration.gpu, tier=Tier.ON_DEMAND)
    bought = spot(noon, 4, configuration=replace(job().configuration, gpu=gpu))
    assert exposure(facts(bought), UTC, noon).hours == 0
    assert exposure(facts(bought), UTC, noon, spot_only=False).hours == 4


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (Exposure(100, 100, 8, 2), 0.6),
        (Exposure(100, 100, 5, 0), 1.0),
        (Exposure(100, 100, 3, 1), None),  # four interruptions say nothing
        (Exposure(9, 100, 8, 2), None),  # nor do nine hours
        (Exposure(100, 100, 5, 5), None),
        (Exposure(100, 100, 2, 8), None),  # then pausing would make it worse
        (Exposure(), None),
    ],
)
def test_advice_is_given_where_our_own_history_carries_it(found: Exposure, share: float | None) -> None:
    assert reduction(found) == (None if share is None else pytest.approx(share))
