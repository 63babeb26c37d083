from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.attempt import Attempt, RateSample
from chalicelib.domain.cost import CostRecord
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.gpu import Tier
from chalicelib.domain.identity import ApiToken
from chalicelib.domain.job import Job, JobStatus
from chalicelib.domain.metrics import PointBlock
from chalicelib.domain.notification import Notification, Priority
from chalicelib.domain.progress import Intent, LogEvent, Money, Progress, Reached, StageRecord
from chalicelib.domain.queue import next_in_line, promote, queue_key, release, take
from chalicelib.domain.termination import Termination

from tests.builders import DANA, a_job
from tests.fakes import START

Store = Callable[[str], Any]


def test_a_saved_job_comes_back_equal_with_its_version_raised(store: Store) -> None:
    jobs = store("jobs")
    job = transitions.claim(transitions.start(a_job(description="né ✓", tags=("a", "b")), START), START)
    saved = jobs.save(job, expected=None)
    assert saved.version == 1
    assert jobs.get(job.id) == saved
    again = jobs.save(replace(saved, notes="x" * 2000), expected=saved)
    assert again.version == 2
    assert jobs.get(job.id) == again
    assert jobs.get("job_none") is None


def test_a_write_that_expects_an_older_job_is_refused_and_changes_nothing(store: Store) -> None:
    jobs = store("jobs")
    first = jobs.save(a_job(), expected=None)
    winner = jobs.save(replace(first, name="winner"), expected=first)
    with pytest.raises(StaleWrite):
        jobs.save(replace(first, name="loser"), expected=first)
    with pytest.raises(StaleWrite):
        jobs.save(a_job(name="twice made"), expected=None)
    assert jobs.get(first.id) == winner


def test_a_job_and_its_slot_change_together_or_not_at_all(store: Store) -> None:
    jobs = store("jobs")
    queued = jobs.save(transitions.start(a_job(), START), expected=None)
    other = jobs.save(transitions.start(a_job(2), START), expected=None)
    empty = jobs.slots()
    slots = take(empty, queued.id)
    assert slots is not None
    claimed, taken = jobs.save_with_slots(
        transitions.claim(queued, START), expected=queued, slots=slots, expected_slots=empty
    )
    assert jobs.slots() == taken
    assert taken.holders == (queued.id,)
    stale = take(empty, other.id)
    assert stale is not None
    with pytest.raises(StaleWrite):
        jobs.save_with_slots(
            transitions.claim(other, START), expected=other, slots=stale, expected_slots=empty
        )
    assert jobs.get(other.id) == other
    jobs.save_with_slots(
        replace(claimed, name="done"), expected=claimed, slots=release(taken, queued.id), expected_slots=taken
    )
    assert jobs.slots().holders == ()


def test_queued_jobs_come_oldest_first_with_ties_by_id(store: Store) -> None:
    jobs = store("jobs")
    later = jobs.save(transitions.start(a_job(1), START + timedelta(seconds=5)), expected=None)
    second = jobs.save(transitions.start(a_job(3), START), expected=None)
    first = jobs.save(transitions.start(a_job(2), START), expected=None)
    jobs.save(a_job(4), expected=None)
    assert [job.id for job in jobs.by_status("queued")] == [first.id, second.id, later.id]


def test_jobs_under_way_are_found_by_the_dataset_that_they_need(store: Store) -> None:
    jobs = store("jobs")
    started = [jobs.save(transitions.start(a_job(number), START), expected=None) for number in (2, 1)]
    jobs.save(a_job(3), expected=None)
    other = replace(a_job(4), dataset=replace(a_job(4).dataset, id="ds_other"))
    jobs.save(transitions.start(other, START), expected=None)
    needing = jobs.under_way_with(a_job(1).dataset.id)
    assert [job.id for job in needing] == [a_job(1).id, a_job(2).id]
    ended = replace(started[0], status=JobStatus.FAILED)
    jobs.save(ended, expected=started[0])
    assert [job.id for job in jobs.under_way_with(a_job(1).dataset.id)] == [a_job(1).id]


def test_promoted_jobs_come_before_all_others_and_the_latest_promotion_first(store: Store) -> None:
    jobs = store("jobs")
    at = [START + timedelta(seconds=second) for second in range(10)]
    rows = [jobs.save(transitions.start(a_job(number), at[number]), expected=None) for number in range(1, 6)]
    one, two, three, four, five = rows
    jobs.save(promote(four, at[7], at[7]), expected=four)
    jobs.save(promote(three, at[8], at[8]), expected=three)
    jobs.save(promote(five, at[7], at[7]), expected=five)
    # Promoted while it waited for an earlier run, and queued anew since: a job like any other.
    jobs.save(replace(one, promoted_at=at[0]), expected=one)
    queued = jobs.by_status("queued")
    assert [job.id for job in queued] == [three.id, four.id, five.id, one.id, two.id]
    assert [job.id for job in jobs.by_status("queued", limit=2)] == [three.id, four.id]
    assert sorted(queued, key=queue_key) == list(queued)
    assert next_in_line(queued, at[9]) == queued[0]


def test_changes_are_read_from_a_time_on_and_a_deleted_job_leaves_its_id(store: Store) -> None:
    jobs = store("jobs")
    jobs.save(a_job(1), expected=None)
    kept = jobs.save(a_job(2, at=START + timedelta(seconds=9)), expected=None)
    assert [job.id for job in jobs.changed_since(None)] == ["job_0000000000000001", kept.id]
    assert [job.id for job in jobs.changed_since(START + timedelta(seconds=9))] == [kept.id]
    jobs.delete(kept)
    assert jobs.get(kept.id) is None
    changes = jobs.changed_since(None)
    assert kept.id in changes
    assert [job.id for job in changes if isinstance(job, Job)] == ["job_0000000000000001"]


def _progress() -> Progress:
    return Progress(
        "job_0000000000000001",
        run=1,
        attempt=2,
        fence="abcd1234",
        intent=Intent.PAUSE,
        reached=Reached.TRAINING,
        deadlines={"AwaitTraining": START},
        stages={"training": StageRecord("active", "Loss: 0.1", 0.5, START)},
        latest={"training_loss": 0.25},
        pace=((1.5, 1), (2.5, 2)),
        money=Money(Decimal("1.99"), START, Decimal("0.10"), Decimal("5"), Decimal("0.2")),
        trainer_error={"end_reason": "out_of_memory", "message": "m"},
    )


def test_progress_its_events_and_its_points_are_saved_together(store: Store) -> None:
    rows = store("progress")
    events = [
        LogEvent(number, START, "info", f"line {number} ✓", 2, {"deep": [1, {"a": None}]})
        for number in range(3)
    ]
    block = PointBlock("job_0000000000000001", 1, ({"step": 1, "training_loss": 2.5},))
    saved = rows.save(_progress(), expected=None, events=events, block=block)
    assert rows.get(saved.job_id) == saved
    assert list(rows.events(saved.job_id)) == events
    assert list(rows.events(saved.job_id, after=0, limit=1)) == [events[1]]
    assert list(rows.blocks(saved.job_id)) == [block]
    assert list(rows.blocks(saved.job_id, after_revision=1)) == []


def test_a_stale_progress_write_leaves_no_event_and_no_point_behind(store: Store) -> None:
    rows = store("progress")
    first = rows.save(_progress(), expected=None)
    rows.save(replace(first, step=7), expected=first)
    with pytest.raises(StaleWrite):
        rows.save(
            replace(first, step=8),
            expected=first,
            events=[LogEvent(0, START, "info", "never", 1)],
            block=PointBlock(first.job_id, 9, ()),
        )
    assert rows.get(first.job_id).step == 7
    assert list(rows.events(first.job_id)) == []
    assert list(rows.blocks(first.job_id)) == []


def test_deleting_progress_takes_events_and_points_along(store: Store) -> None:
    rows = store("progress")
    row = rows.save(
        _progress(),
        expected=None,
        events=[LogEvent(0, START, "info", "x", 1)],
        block=PointBlock("job_0000000000000001", 1, ()),
    )
    rows.delete(row.job_id)
    assert rows.get(row.job_id) is None
    assert list(rows.events(row.job_id)) == []
    assert list(rows.blocks(row.job_id)) == []


def test_attempts_are_listed_in_order_and_guarded_by_version(store: Store) -> None:
    attempts = store("attempts")
    rates = (RateSample(START, Decimal("1.99")),)
    one = Attempt("job_1", 1, "f", "p", START, "g", "G", 1, Tier.SPOT, rates=rates)
    saved = attempts.save(one, expected=None)
    attempts.save(replace(one, number=2), expected=None)
    assert [attempt.number for attempt in attempts.of_job("job_1")] == [1, 2]
    assert attempts.get("job_1", 1) == saved
    assert attempts.get("job_1", 3) is None
    attempts.save(replace(saved, pod_id="x"), expected=saved)
    with pytest.raises(StaleWrite):
        attempts.save(replace(saved, pod_id="y"), expected=saved)


def test_people_are_found_by_e_mail_whatever_its_case(store: Store) -> None:
    users = store("users")
    saved = users.save(DANA, expected=None)
    assert users.by_email("Dana@Example.com") == saved
    assert users.get(DANA.id) == saved
    assert users.by_email("no@example.com") is None
    assert list(users.all()) == [saved]


def test_tokens_are_found_by_hash_and_by_person(store: Store) -> None:
    tokens = store("tokens")
    token = ApiToken("tok_1", "h" * 64, DANA.id, "ci", "lp_abcd", ("*",), START)
    saved = tokens.save(token, expected=None)
    assert tokens.by_hash("h" * 64) == saved
    assert list(tokens.of_user(DANA.id)) == [saved]
    tokens.delete(saved)
    assert tokens.by_hash("h" * 64) is None


def test_telling_the_same_thing_twice_adds_nothing(store: Store) -> None:
    feed = store("notifications")
    notes = [
        Notification(f"ntf_{number}", DANA.id, "job_started", "t", "m", Priority.LOW, START)
        for number in range(3)
    ]
    assert [feed.add(note) for note in notes] == [True, True, True]
    assert feed.add(replace(notes[0], title="other")) is False
    assert [note.id for note in feed.of_user(DANA.id, unread=False, limit=2, before=None)] == [
        "ntf_2",
        "ntf_1",
    ]
    assert [note.id for note in feed.of_user(DANA.id, unread=False, limit=9, before="ntf_1")] == ["ntf_0"]
    assert feed.mark_read(DANA.id, "ntf_1") is True
    assert feed.mark_read("usr_other", "ntf_1") is False
    assert feed.unread_count(DANA.id) == 2
    assert [note.id for note in feed.of_user(DANA.id, unread=True, limit=9, before=None)] == [
        "ntf_2",
        "ntf_0",
    ]
    assert feed.mark_all_read(DANA.id) == 2
    assert feed.unread_count(DANA.id) == 0


def test_terminations_stay_open_until_closed(store: Store) -> None:
    rows = store("terminations")
    termination = Termination("pod-1", "id-1", "job_1", START, "cancelled")
    rows.add(termination)
    rows.add(termination)
    assert list(rows.open()) == [termination]
    rows.close(termination)
    assert list(rows.open()) == []


def test_the_same_cost_line_written_twice_counts_once(store: Store) -> None:
    costs = store("costs")
    record = CostRecord(
        "job_1",
        "attempt#0001",
        "training_compute",
        Decimal("1.234567"),
        "H100",
        1,
        60,
        START,
        "2026-11",
        1,
        True,
        DANA.id,
    )
    costs.put(record)
    costs.put(replace(record, provisional=False))
    assert list(costs.of_job("job_1")) == [replace(record, provisional=False)]


def test_small_documents_are_kept_by_name(store: Store) -> None:
    documents = store("settings")
    assert documents.get("prices") is None
    documents.put("prices", {"a": [1, 2.5, None]})
    assert documents.get("prices") == {"a": [1, 2.5, None]}


def test_a_small_document_that_someone_else_changed_is_not_overwritten(store: Store) -> None:
    documents = store("settings")
    first = {"limit": 3, "é": [1.5, None, {"a": "b"}]}
    documents.save("organisation", first, expected=None)
    documents.save("organisation", {"limit": 4}, expected=documents.get("organisation"))
    for expected in (None, first):
        with pytest.raises(StaleWrite):
            documents.save("organisation", {"limit": 9}, expected=expected)
    assert documents.get("organisation") == {"limit": 4}
