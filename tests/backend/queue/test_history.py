"""What happened in the queue: events from jobs, days from events, statistics from days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.end_reasons import EndReason
from chalicelib.domain.job import Cancellation, Job, JobStatus
from chalicelib.domain.queue_history import (
    Day,
    QueueEvent,
    add_up,
    bottleneck,
    events_of,
    statistics,
)
from chalicelib.use_cases.read_queue_history import read_queue_history
from chalicelib.use_cases.record_queue_history import (
    DOCUMENT,
    known_days,
    longest_wait_seconds,
    record_queue_history,
)

from tests.backend.queue.examples import MINUTE, queued, running
from tests.builders import DANA
from tests.fakes import START, FakeJobs, FakeSettings
from tests.fakes_queue import FakeQueueEvents

TODAY = START.date()


def _kinds(job: Job) -> list[str]:
    return [event.kind for event in events_of(job)]


def _cancelled(job: Job, minutes: int) -> Job:
    return transitions.request_cancel(
        job, Cancellation("testing", None, DANA.as_person(), START + minutes * MINUTE)
    )


def _claimed(job: Job, at: datetime) -> Job:
    """Taken out of the queue, and its pod is asked for."""
    return transitions.new_attempt(transitions.claim(job, at), at)


def test_a_draft_has_no_history() -> None:
    assert events_of(replace(queued(1), queued_at=None)) == ()


def test_a_start_is_counted_once_its_gpu_is_there_and_dated_by_the_claim() -> None:
    waiting = queued(1)
    assert _kinds(waiting) == ["added"]
    claimed = _claimed(waiting, START + 40 * MINUTE)
    assert _kinds(claimed) == ["added"]
    (_, started) = events_of(transitions.enter_stage(claimed, transitions.Stage.PREPROCESSING, START))
    assert (started.kind, started.at, started.wait_seconds) == ("started", START + 40 * MINUTE, 2400)
    assert started.short_of == "slot"


def test_a_job_that_came_back_for_want_of_a_gpu_waits_on_until_the_claim_that_got_one() -> None:
    claimed = transitions.claim(queued(1), START + 10 * MINUTE)
    back = transitions.requeue(claimed, START + 12 * MINUTE, START + 11 * MINUTE)
    assert _kinds(back) == ["added", "returned"]
    again = _claimed(back, START + 90 * MINUTE)
    (_, started) = events_of(transitions.enter_stage(again, transitions.Stage.PREPROCESSING, START))
    assert (started.wait_seconds, started.short_of) == (5400, "gpu")


def test_a_cancelled_wait_is_a_removal_and_a_cancelled_run_a_start() -> None:
    removed = events_of(_cancelled(queued(1), 25))[1]
    assert (removed.kind, removed.wait_seconds, removed.person) == ("removed", 1500, "Dana Reyes")
    back = transitions.requeue(transitions.claim(queued(1), START + MINUTE), START, START)
    assert _kinds(_cancelled(back, 25)) == ["added", "removed"]
    run = running(1, claimed_at=START + MINUTE)
    ended = transitions.begin_ending(_cancelled(run, 30), "JobCancelled", "", START)
    ended = transitions.end(ended, EndReason.USER_CANCELLED, "", Decimal(1), START + 31 * MINUTE)
    assert _kinds(ended) == ["added", "started"]
    gave_up = transitions.end(back, EndReason.NO_CAPACITY, "", Decimal(0), START + 60 * MINUTE)
    assert _kinds(gave_up) == ["added", "removed"]


def test_a_second_wait_of_a_job_is_told_apart_from_its_first() -> None:
    resumed = replace(running(1), status=JobStatus.QUEUED, queued_at=START + 600 * MINUTE)
    assert [(event.kind, event.at) for event in events_of(resumed)] == [("added", START + 600 * MINUTE)]


def _start(wait_minutes: float, short_of: str = "slot", at: datetime = START, job: str = "j") -> QueueEvent:
    return QueueEvent(at, "started", job, job, wait_seconds=wait_minutes * 60, short_of=short_of)


def test_a_day_adds_up_its_events() -> None:
    others = [
        QueueEvent(START, kind, "j", "j") for kind in ("added", "added", "removed", "promoted", "returned")
    ]
    day = add_up([*others, _start(10), _start(20, "gpu"), _start(30)])
    assert day == Day(2, 3, 1, 1, 1, 3600.0, 1800.0, 1, 1)
    assert day.average_wait_seconds == 1200
    assert Day().average_wait_seconds is None


def _days(*facts: tuple[int, int, float]) -> dict[date, Day]:
    """(days back, starts, minutes each waited)"""
    return {
        TODAY - timedelta(days=back): Day(started=starts, wait_seconds=starts * minutes * 60)
        for back, starts, minutes in facts
    }


def test_statistics_are_of_thirty_days_of_waits_and_seven_of_starts() -> None:
    days = _days((0, 2, 10), (6, 12, 20), (7, 7, 30), (29, 1, 100), (30, 50, 999))
    found = statistics(days, 9000.0, TODAY)
    assert found.starts == 22
    assert found.average_wait_seconds == pytest.approx(60 * (2 * 10 + 12 * 20 + 7 * 30 + 100) / 22)
    assert found.starts_per_day == 2.0
    assert found.longest_wait_seconds == 9000.0


def test_nothing_is_said_of_what_has_not_happened() -> None:
    found = statistics({}, None, TODAY)
    assert (found.average_wait_seconds, found.longest_wait_seconds, found.trend) == (None, None, None)
    assert found.starts_per_day == 0


@pytest.mark.parametrize(
    ("now_minutes", "before_minutes", "trend"),
    [
        (30, 20, "increasing"),
        (20, 30, "decreasing"),
        (21, 20, "steady"),
        (0, 0, "steady"),
        (5, 0, "increasing"),
    ],
)
def test_the_trend_compares_this_week_with_the_one_before(
    now_minutes: int, before_minutes: int, trend: str
) -> None:
    days = _days((0, 1, now_minutes), (6, 2, now_minutes), (7, 2, before_minutes), (13, 1, before_minutes))
    assert statistics(days, None, TODAY).trend == trend


def test_a_week_of_two_starts_makes_no_trend() -> None:
    assert statistics(_days((0, 2, 10), (8, 9, 90)), None, TODAY).trend is None


def test_the_bottleneck_is_what_most_long_waits_waited_for() -> None:
    days = [Day(short_of_slot=1, short_of_gpu=5), Day(short_of_slot=2)]
    assert bottleneck(days) == ("gpu", 5 / 8, 8)
    assert bottleneck([Day(started=9)]) is None


def _record(jobs: FakeJobs, events: FakeQueueEvents, documents: FakeSettings, now: datetime) -> int:
    return record_queue_history(jobs=jobs, events=events, documents=documents, now=now)


class CountingJobs(FakeJobs):
    """Knows how many rows its readers were given."""

    read = 0

    def changed_since(self, changed_at: datetime | None, limit: int = 500) -> Sequence[Job | str]:
        found = super().changed_since(changed_at, limit)
        self.read += len(found)
        return found


def test_recording_follows_a_job_through_the_queue_and_reads_only_what_changed() -> None:
    jobs, events, documents = CountingJobs(), FakeQueueEvents(), FakeSettings()
    for number in range(100, 300):
        jobs.save(queued(number, at=START - timedelta(days=3)), expected=None)
    _record(jobs, events, documents, START)
    jobs.read = 0

    job = jobs.save(queued(1), expected=None)
    assert _record(jobs, events, documents, START) == 1
    claimed = jobs.save(_claimed(job, START + 30 * MINUTE), expected=job)
    _record(jobs, events, documents, START + 31 * MINUTE)
    begun = transitions.enter_stage(claimed, transitions.Stage.PREPROCESSING, START + 36 * MINUTE)
    jobs.save(begun, expected=claimed)
    _record(jobs, events, documents, START + 37 * MINUTE)

    assert jobs.read <= 6
    day = known_days(documents.get(DOCUMENT))[TODAY]
    assert (day.added, day.started, day.wait_seconds) == (1, 1, 1800)
    assert longest_wait_seconds(documents.get(DOCUMENT)) == 1800


def test_recording_twice_records_once_and_an_idle_minute_writes_nothing() -> None:
    jobs, events, documents = FakeJobs(), FakeQueueEvents(), FakeSettings()
    jobs.save(queued(1), expected=None)
    _record(jobs, events, documents, START)
    before = documents.get(DOCUMENT), dict(events.rows)
    _record(jobs, events, documents, START + 3 * MINUTE)
    assert (documents.get(DOCUMENT), events.rows) == before
    later = queued(2, at=START + timedelta(hours=1))
    jobs.save(later, expected=None)
    _record(jobs, events, documents, START + timedelta(hours=1))
    before = documents.get(DOCUMENT), dict(events.rows)
    assert _record(jobs, events, documents, START + timedelta(hours=1, minutes=3)) == 0
    assert (documents.get(DOCUMENT), events.rows) == before


def test_a_record_overwritten_by_an_older_one_is_made_good_by_the_next() -> None:
    jobs, events, documents = FakeJobs(), FakeQueueEvents(), FakeSettings()
    jobs.save(queued(1), expected=None)
    _record(jobs, events, documents, START)
    older = documents.get(DOCUMENT)
    assert older is not None
    jobs.save(queued(2, at=START + MINUTE), expected=None)
    _record(jobs, events, documents, START + MINUTE)
    right = documents.get(DOCUMENT)
    documents.put(DOCUMENT, older)
    _record(jobs, events, documents, START + 2 * MINUTE)
    assert documents.get(DOCUMENT) == right


def test_an_event_is_written_once_while_its_job_goes_on_changing() -> None:
    jobs, events, documents = FakeJobs(), FakeQueueEvents(), FakeSettings()
    job = jobs.save(running(1, claimed_at=START), expected=None)
    written = 0
    for minute in range(60):
        now = START + minute * MINUTE
        if minute % 5 == 0:
            job = jobs.save(replace(job, changed_at=now), expected=job)
        written += _record(jobs, events, documents, now)
    assert written == len(events.rows) == 2


def test_an_event_that_is_told_otherwise_later_is_written_again() -> None:
    jobs, events, documents = FakeJobs(), FakeQueueEvents(), FakeSettings()
    job = jobs.save(queued(1), expected=None)
    _record(jobs, events, documents, START)
    jobs.save(replace(job, name="Another name", changed_at=START + MINUTE), expected=job)
    assert _record(jobs, events, documents, START + MINUTE) == 1
    assert [event.job_name for event in events.rows.values()] == ["Another name"]


def test_a_burst_is_not_read_again_once_it_is_over() -> None:
    jobs, events, documents = CountingJobs(), FakeQueueEvents(), FakeSettings()
    for number in range(50):
        jobs.save(queued(number), expected=None)
    for minute in range(8):
        _record(jobs, events, documents, START + minute * MINUTE)
    jobs.read = 0
    assert _record(jobs, events, documents, START + 9 * MINUTE) == 0
    assert jobs.read == 0


def test_the_longest_wait_outlives_the_days_that_are_kept() -> None:
    jobs, events, documents = FakeJobs(), FakeQueueEvents(), FakeSettings()
    jobs.save(running(1, claimed_at=START + 400 * MINUTE), expected=None)
    _record(jobs, events, documents, START + 401 * MINUTE)
    for day in range(1, 70):
        at = START + timedelta(days=day)
        jobs.save(running(day + 1, claimed_at=at, queued_at=at), expected=None)
        _record(jobs, events, documents, at)
    document = documents.get(DOCUMENT)
    assert len(known_days(document)) == 60
    assert longest_wait_seconds(document) == 24000


def test_the_history_is_read_newest_first_by_pages_across_months() -> None:
    events = FakeQueueEvents()
    at = [START - timedelta(days=9 * back) for back in range(12)]
    for number, when in enumerate(at):
        events.add(QueueEvent(when, "added", f"job_{number}", "J"))
    seen: list[datetime] = []
    before = None
    for _ in range(6):
        page = read_queue_history(
            events=events, documents=FakeSettings(), before=before, limit=2, days=3, now=START
        )
        seen += [event.at for event in page.events]
        before = page.before
    assert seen == at
    assert before is None
    assert [day.day for day in page.days] == [20, 21, 22]
