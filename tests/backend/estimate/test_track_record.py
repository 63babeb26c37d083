"""What finished jobs teach, and how the record of them is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain import base_models, track_record
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.job import Job, JobStatus
from chalicelib.use_cases import changed_jobs
from chalicelib.use_cases import read_track_record as module
from chalicelib.use_cases.read_track_record import read_track_record

from tests.backend.estimate.examples import a_finished_job, an_estimate
from tests.builders import GPU, a_job
from tests.fakes import START, FakeJobs, FakeSettings

DAY = timedelta(days=1)


def _model(model_id: str = "llama-3.1-8b-instruct") -> BaseModel:
    model = base_models.find(model_id)
    assert model is not None
    return model


def _completed(number: int, **changes: Any) -> Job:
    facts: dict[str, Any] = {
        "status": JobStatus.COMPLETED,
        "run": 1,
        "ended_at": START,
        "cost_usd": Decimal("1.245"),
        "estimate": an_estimate(),
        "configuration": replace(a_job().configuration, base_model_id="llama-3.1-8b-instruct", gpu=GPU),
    }
    return a_job(number, **{**facts, **changes})


def test_nothing_is_corrected_without_history() -> None:
    assert track_record.correction([], _model()) == track_record.Correction(1.0, 0.7, 1.5, 0)


def test_one_job_moves_the_prior_half_of_the_way() -> None:
    found = track_record.correction([a_finished_job(actual_hours=4.0)], _model())

    assert found.factor == pytest.approx(2.0)
    assert found.sample_size == 1


def test_ten_alike_jobs_are_nearly_believed_and_narrow_the_range() -> None:
    found = track_record.correction([a_finished_job(n, actual_hours=2.0) for n in range(10)], _model())

    assert found.factor == pytest.approx(2 ** (10 / 11))
    assert (found.low, found.high, found.sample_size) == (0.85, 1.15, 10)


def test_scattered_jobs_keep_the_range_wide() -> None:
    record = [a_finished_job(n, actual_hours=hours) for n, hours in enumerate((0.5, 0.8, 1.0, 1.3, 2.0))]
    found = track_record.correction(record, _model())

    assert (found.low, found.high) == (0.5, 2.0)


def test_another_model_of_the_same_kind_stands_in_and_a_local_one_never_does() -> None:
    other = a_finished_job(actual_hours=4.0, base_model_id="qwen3-8b")
    local = a_finished_job(actual_hours=9.0, base_model_id="tiny-llama")

    assert track_record.correction([other, local], _model()).factor == pytest.approx(2.0)
    assert track_record.correction([other], _model("tiny-llama")).sample_size == 0


def test_failed_and_interrupted_jobs_do_not_teach_speed() -> None:
    record = [
        a_finished_job(completed=False, actual_hours=9.0),
        a_finished_job(2, clean=False, actual_hours=9.0),
    ]

    assert track_record.correction(record, _model()).sample_size == 0


def test_accuracy_says_how_far_off_and_how_often_inside() -> None:
    record = [a_finished_job(n, actual_hours=1.1) for n in range(4)] + [a_finished_job(9, actual_hours=1.6)]
    found = track_record.accuracy(record, "balanced", "Balanced", START)

    # errors: four times 10 %, once 60 %; the last one is outside 0.7 to 1.5
    assert (found.sample_size, found.mean_error_percent, found.within_range_percent) == (5, 20.0, 80.0)
    assert found.sentence == (
        "Past estimates were off by 20% on average for the Balanced preset; "
        "80% of 5 completed jobs in the last 90 days ended within their range."
    )


def test_accuracy_speaks_of_all_presets_until_one_has_five_jobs() -> None:
    record = [a_finished_job(preset_id="fast")]

    assert (
        "for all presets; 100% of 1 completed job "
        in track_record.accuracy(record, "balanced", "Balanced", START).sentence
    )


def test_jobs_older_than_ninety_days_say_nothing_about_accuracy() -> None:
    found = track_record.accuracy([a_finished_job(at=START - 91 * DAY)], "balanced", "Balanced", START)

    assert (found.sample_size, found.sentence) == (0, "No completed jobs yet to compare estimates with.")


def test_interruptions_are_assumed_until_five_spot_jobs_are_known() -> None:
    four = [a_finished_job(n) for n in range(4)]
    five = [*four, a_finished_job(5, clean=False)]

    assert track_record.interruption_probability(four) == 0.2
    assert track_record.interruption_probability(five) == 0.2
    assert track_record.interruption_probability([*five, a_finished_job(6, clean=False)]) == pytest.approx(
        1 / 3
    )
    assert (
        track_record.interruption_probability([a_finished_job(n, tier="on_demand") for n in range(9)]) == 0.2
    )


def test_billed_hours_are_money_over_the_estimated_rate() -> None:
    facts = track_record.finished(_completed(1))

    assert facts is not None
    assert facts.actual_hours == pytest.approx(0.5)
    assert facts.prior_hours is not None
    assert facts.clean


def test_a_job_that_was_taken_over_or_resumed_is_not_clean() -> None:
    interrupted, resumed = _completed(1, recoveries=1), _completed(2, run=2)

    assert [facts.clean for job in (interrupted, resumed) if (facts := track_record.finished(job))] == [
        False,
        False,
    ]


def test_running_and_cancelled_jobs_are_no_record() -> None:
    assert track_record.finished(a_job()) is None
    assert track_record.finished(a_job(status=JobStatus.CANCELLED, ended_at=START)) is None


def test_the_record_takes_in_new_jobs_after_a_minute() -> None:
    jobs, documents = FakeJobs(), FakeSettings()
    jobs.save(_completed(1), expected=None)
    first = read_track_record(jobs=jobs, documents=documents, now=START)
    jobs.save(_completed(2, changed_at=START + DAY), expected=None)

    at_once = read_track_record(jobs=jobs, documents=documents, now=START + timedelta(seconds=59))
    later = read_track_record(jobs=jobs, documents=documents, now=START + timedelta(seconds=60))

    assert len(first) == len(at_once) == 1
    assert {facts.id for facts in later} == {"job_0000000000000001", "job_0000000000000002"}


def test_the_record_reads_only_what_changed_and_never_counts_a_job_twice() -> None:
    class CountingJobs(FakeJobs):
        asked: list[Any]

        def changed_since(self, changed_at: Any, limit: int = 500) -> Any:
            self.asked.append(changed_at)
            return super().changed_since(changed_at, limit)

    jobs, documents = CountingJobs(), FakeSettings()
    jobs.asked = []
    jobs.save(_completed(1), expected=None)
    read_track_record(jobs=jobs, documents=documents, now=START)
    again = read_track_record(jobs=jobs, documents=documents, now=START + DAY)

    assert jobs.asked == [None, START]
    assert len(again) == 1


def test_many_jobs_are_read_in_pages_and_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_jobs, "PAGE", 3)
    monkeypatch.setattr(module, "JOBS_KEPT", 4)
    jobs, documents = FakeJobs(), FakeSettings()
    for number in range(10):
        at = START + number * DAY
        jobs.save(_completed(number, changed_at=at, ended_at=at), expected=None)

    record = read_track_record(jobs=jobs, documents=documents, now=START + 20 * DAY)

    assert [facts.id[-1] for facts in record] == ["6", "7", "8", "9"]


def test_a_record_of_an_older_formula_is_made_anew() -> None:
    jobs, documents = FakeJobs(), FakeSettings()
    jobs.save(_completed(1), expected=None)
    read_track_record(jobs=jobs, documents=documents, now=START)
    stale = {**documents.rows["track_record"], "model_version": "older", "jobs": "[]"}
    documents.put("track_record", stale)

    assert len(read_track_record(jobs=jobs, documents=documents, now=START)) == 1
