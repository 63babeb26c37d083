"""Many dispatchers, promotions and cancels at once: never two jobs for one slot, no job lost, none started twice."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.errors import AppError, StaleWrite
from chalicelib.domain.job import Cancellation, Job, JobStatus
from chalicelib.domain.queue import promote, release
from chalicelib.settings import DEFAULT_TIMINGS
from chalicelib.use_cases.again import again, change_job
from chalicelib.use_cases.dispatch_queue import dispatch_queue

from tests.builders import DANA, a_job
from tests.fakes import START, FakeJobs, FakeSettings, FakeWorkflow

LIMIT = 3


class AtomicJobs(FakeJobs):
    """Each call is one request to a database: whole, and in some order with all others. The most slots ever held at once
    and every claim are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.most_held = 0
        self.claims: list[str] = []

    def get(self, job_id: str) -> Job | None:
        with self.lock:
            return super().get(job_id)

    def save(self, after: Job, *, expected: Job | None) -> Job:
        with self.lock:
            return super().save(after, expected=expected)

    def save_with_slots(self, after: Job, *, expected: Job, slots: Any, expected_slots: Any) -> Any:
        with self.lock:
            saved = super().save_with_slots(
                after, expected=expected, slots=slots, expected_slots=expected_slots
            )
            self.most_held = max(self.most_held, len(saved[1].holders))
            if saved[0].status is JobStatus.PROVISIONING:
                self.claims.append(saved[0].id)
            return saved

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        with self.lock:
            return super().by_status(status, limit)


class AtomicWorkflow(FakeWorkflow):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int]] = []

    def start(self, job_id: str, run: int, timings: Mapping[str, Any]) -> None:
        self.calls.append((job_id, run))


def _fill(jobs: FakeJobs, count: int) -> list[str]:
    made = []
    for number in range(1, count + 1):
        job = transitions.start(a_job(number), START + timedelta(seconds=number))
        made.append(jobs.save(job, expected=None).id)
    return made


def _dispatch(jobs: FakeJobs, workflow: FakeWorkflow, limit: int = LIMIT) -> list[str]:
    return dispatch_queue(
        jobs=jobs,
        workflow=workflow,
        timings=DEFAULT_TIMINGS,
        limit=limit,
        documents=FakeSettings(),
        now=START + timedelta(hours=1),
    )


def _end(jobs: FakeJobs, job_id: str) -> None:
    """A run settles: the slot is freed in one write with the job."""

    def once() -> None:
        job, slots = jobs.get(job_id), jobs.slots()
        assert job is not None
        ended = replace(job, status=JobStatus.COMPLETED)
        jobs.save_with_slots(ended, expected=job, slots=release(slots, job_id), expected_slots=slots)

    again(once, tries=1000)


@pytest.fixture
def _switching_often() -> Iterator[None]:
    """Threads change places every few bytecodes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _together(*actions: Callable[[], object]) -> list[BaseException]:
    """All at once, from one starting line. What they raised besides errors of ours."""
    line = threading.Barrier(len(actions))
    raised: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        line.wait()
        try:
            action()
        except AppError:
            pass
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.usefixtures("_switching_often")
def test_eight_dispatchers_at_once_start_each_job_once_and_never_hold_more_than_the_limit() -> None:
    jobs, workflow = AtomicJobs(), AtomicWorkflow()
    made = _fill(jobs, 24)
    ended: set[str] = set()
    for _ in range(8):
        assert _together(*[lambda: _dispatch(jobs, workflow)] * 8) == []
        holders = jobs.slots().holders
        assert len(holders) == LIMIT
        for job_id in holders:
            _end(jobs, job_id)
            ended.add(job_id)
    assert jobs.most_held == LIMIT
    assert ended == set(made)
    assert sorted(jobs.claims) == sorted(made)
    assert sorted(workflow.calls) == sorted((job_id, 1) for job_id in made)


@pytest.mark.usefixtures("_switching_often")
def test_promotions_and_cancels_amid_dispatch_lose_and_double_nothing() -> None:
    jobs, workflow = AtomicJobs(), AtomicWorkflow()
    made = _fill(jobs, 20)
    promoted = made[15:]
    cancelled = made[5:8]

    def promote_one(job_id: str, second: int) -> None:
        at = START + timedelta(minutes=1, seconds=second)
        change_job(jobs, job_id, lambda job: promote(job, at, at))

    def cancel_one(job_id: str) -> None:
        asked = Cancellation("testing", None, DANA.as_person(), START)
        change_job(jobs, job_id, lambda job: transitions.request_cancel(job, asked))

    def work() -> None:
        for _ in range(3):
            for job_id in _dispatch(jobs, workflow):
                _end(jobs, job_id)

    actions: list[Callable[[], object]] = [work] * 4
    actions += [partial(promote_one, each, n) for n, each in enumerate(promoted)]
    actions += [partial(cancel_one, each) for each in cancelled]
    assert _together(*actions) == []
    while started := _dispatch(jobs, workflow):
        for job_id in started:
            _end(jobs, job_id)

    assert jobs.most_held <= LIMIT
    assert len(jobs.claims) == len(set(jobs.claims))
    gone = {job.id for job in jobs.rows.values() if job.status is JobStatus.CANCELLED}
    assert gone <= set(cancelled)
    # A cancel that came after the claim marks the job; it holds its slot until it is settled.
    still = set(jobs.slots().holders)
    done = {job.id for job in jobs.rows.values() if job.status is JobStatus.COMPLETED}
    assert gone | done | still == set(made)
    assert set(jobs.claims) == set(made) - gone


class Interrupted(FakeJobs):
    """Does something else, once, just before its n-th call."""

    def __init__(self, before_call: int, action: Callable[[FakeJobs], object]) -> None:
        super().__init__()
        self.calls_left, self.action, self.armed = before_call, action, False

    def _tick(self) -> None:
        if not self.armed:
            return
        if self.calls_left == 0:
            self.armed = False
            self.action(self)
        self.calls_left -= 1

    def get(self, job_id: str) -> Job | None:
        self._tick()
        return super().get(job_id)

    def slots(self) -> Any:
        self._tick()
        return super().slots()

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        self._tick()
        return super().by_status(status, limit)

    def save_with_slots(self, after: Job, *, expected: Job, slots: Any, expected_slots: Any) -> Any:
        self._tick()
        return super().save_with_slots(after, expected=expected, slots=slots, expected_slots=expected_slots)


@pytest.mark.parametrize("before_call", range(9))
@pytest.mark.parametrize("rival", ["dispatch", "promote", "cancel", "delete"])
def test_whatever_happens_between_any_two_calls_of_a_dispatcher_one_slot_starts_one_job(
    before_call: int, rival: str
) -> None:
    workflow = AtomicWorkflow()
    first, second, third = (a_job(number).id for number in (1, 2, 3))

    def interrupt(jobs: FakeJobs) -> None:
        job = jobs.rows[third if rival == "promote" else first]
        if rival == "dispatch":
            _dispatch(jobs, workflow, limit=1)
        elif job.status is not JobStatus.QUEUED:
            return
        elif rival == "promote":
            jobs.save(promote(job, START + timedelta(minutes=5), START), expected=job)
        elif rival == "cancel":
            asked = Cancellation("testing", None, DANA.as_person(), START)
            jobs.save(transitions.request_cancel(job, asked), expected=job)
        else:
            jobs.delete(job)

    jobs = Interrupted(before_call, interrupt)
    _fill(jobs, 3)
    jobs.armed = True
    _dispatch(jobs, workflow, limit=1)
    jobs.armed = False
    _dispatch(jobs, workflow, limit=1)

    assert len(workflow.calls) == len(set(workflow.calls)) == 1
    (holder,) = jobs.slots().holders
    assert workflow.calls == [(holder, 1)]
    holding = [job.id for job in jobs.rows.values() if job.status is JobStatus.PROVISIONING]
    assert holding == [holder]
    waiting = {job.id for job in jobs.rows.values() if job.status is JobStatus.QUEUED}
    gone = {first} if rival in {"cancel", "delete"} and holder != first else set()
    assert waiting == {first, second, third} - {holder} - gone


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_promotions_that_come_in_any_order_end_in_the_order_of_their_decisions(
    order: tuple[int, ...],
) -> None:
    jobs, workflow = FakeJobs(), AtomicWorkflow()
    made = _fill(jobs, 4)
    for number in order:
        at = START + timedelta(minutes=number + 1)
        change_job(jobs, made[number], partial(promote, promoted_at=at, now=at))
    assert [job.id for job in jobs.by_status("queued")] == [made[2], made[1], made[0], made[3]]
    assert _dispatch(jobs, workflow) == [made[2], made[1], made[0]]


def test_an_index_that_lags_behind_starts_nothing_twice() -> None:
    class Lagging(FakeJobs):
        stale: Sequence[Job] = ()

        def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
            return self.stale if status == "queued" and self.stale else super().by_status(status, limit)

    jobs, workflow = Lagging(), AtomicWorkflow()
    made = _fill(jobs, 2)
    jobs.stale = jobs.by_status("queued")
    assert _dispatch(jobs, workflow) == [made[0]]
    assert _dispatch(jobs, workflow) == []
    jobs.stale = ()
    assert _dispatch(jobs, workflow) == [made[1]]
    with pytest.raises(StaleWrite):
        jobs.save(a_job(1), expected=None)
