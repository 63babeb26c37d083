"""Who is next, and what a promotion changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.job import Job
from chalicelib.domain.queue import is_promoted, next_in_line, position, promote, queue_key
from chalicelib.use_cases.dispatch_queue import dispatch_queue
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_job
from tests.fakes import START, FakeJobs, FakeSettings, FakeWorkflow


def _queued(number: int, second: int, promoted: int | None = None) -> Job:
    job = transitions.start(a_job(number), START + timedelta(seconds=second))
    return job if promoted is None else replace(job, promoted_at=START + timedelta(seconds=promoted))


Moment = st.integers(0, 50)


@given(st.lists(st.tuples(Moment, st.none() | Moment), min_size=1, max_size=12))
def test_the_order_is_promotions_newest_first_then_first_come_first_served_with_ties_by_id(
    facts: list[tuple[int, int | None]],
) -> None:
    jobs = [_queued(number, *fact) for number, fact in enumerate(facts, start=1)]

    def by_hand(job: Job) -> tuple[int, float, float, str]:
        assert job.queued_at is not None
        came = job.queued_at.timestamp()
        promoted = job.promoted_at.timestamp() if job.promoted_at and job.promoted_at >= job.queued_at else 0
        return (0 if promoted else 1, -promoted, came, job.id)

    assert sorted(jobs, key=queue_key) == sorted(jobs, key=by_hand)
    assert next_in_line(jobs, START + timedelta(hours=1)) == min(jobs, key=by_hand)
    assert [position(jobs, job.id) for job in sorted(jobs, key=by_hand)] == list(range(1, len(jobs) + 1))


def test_a_promotion_is_for_one_wait() -> None:
    first = promote(_queued(1, 0), START + timedelta(seconds=5), START)
    assert is_promoted(first)
    back_for_want_of_a_gpu = transitions.requeue(transitions.claim(first, START), START, START)
    assert is_promoted(back_for_want_of_a_gpu)
    assert not is_promoted(replace(first, queued_at=START + timedelta(hours=1)))


def test_promoting_again_at_the_same_time_or_an_earlier_one_changes_nothing() -> None:
    once = promote(_queued(1, 0), START + timedelta(seconds=5), START)
    assert promote(once, START + timedelta(seconds=5), START) is once
    assert promote(once, START + timedelta(seconds=4), START) is once


def test_only_a_waiting_job_is_promoted() -> None:
    claimed = transitions.claim(_queued(1, 0), START)
    with pytest.raises(WrongStatus, match="has left the queue"):
        promote(claimed, START, START)
    assert position([claimed], claimed.id) is None


def test_the_time_of_the_claim_is_kept() -> None:
    at = START + timedelta(minutes=7)
    assert transitions.claim(_queued(1, 0), at).claimed_at == at


def test_a_ready_job_behind_many_that_wait_for_a_gpu_is_found() -> None:
    jobs, workflow, documents = FakeJobs(), FakeWorkflow(), FakeSettings()
    later = START + timedelta(hours=2)
    for number in range(1, 41):
        jobs.save(replace(_queued(number, number), not_before=later), expected=None)
    ready = jobs.save(_queued(50, 55), expected=None)

    def dispatch() -> list[str]:
        return dispatch_queue(
            jobs=jobs, workflow=workflow, timings={}, limit=1, documents=documents, now=START
        )

    assert dispatch() == [ready.id]
    assert dispatch() == []
    assert jobs.slots().holders == (ready.id,)
