from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.domain import job as transitions
from chalicelib.domain.job import Job
from chalicelib.domain.queue import take
from chalicelib.use_cases.dispatch_queue import dispatch_queue

from tests.builders import a_job
from tests.fakes import START, FakeJobs, FakeWorkflow
from tests.fakes_records import FakeSettings


class CountedJobs(FakeJobs):
    """Counts how often the whole queue is read."""

    def __init__(self) -> None:
        super().__init__()
        self.queue_reads = 0

    def by_status(self, status: str, limit: int = 1000) -> Sequence[Job]:
        self.queue_reads += 1
        return super().by_status(status, limit)


def test_while_every_slot_is_taken_the_queue_is_not_read() -> None:
    jobs = CountedJobs()
    desk: dict[str, Any] = {
        "jobs": jobs,
        "workflow": FakeWorkflow(),
        "timings": {},
        "documents": FakeSettings(),
        "now": START,
    }
    running, waiting = (
        jobs.save(transitions.start(a_job(number), START), expected=None) for number in (1, 2)
    )
    slots = take(jobs.slots(), running.id)
    assert slots is not None
    jobs.save_with_slots(
        transitions.claim(running, START), expected=running, slots=slots, expected_slots=jobs.slots()
    )
    assert dispatch_queue(**desk, limit=1) == []
    assert jobs.queue_reads == 0
    assert dispatch_queue(**desk, limit=2) == [waiting.id]
