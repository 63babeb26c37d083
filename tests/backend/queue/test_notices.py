"""What is told of a job's way through the queue, to whom, and how often."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chalicelib.domain import job as transitions
from chalicelib.domain.queue_news import (
    NEAR,
    NEXT,
    PROVISIONING,
    due,
    listeners,
    message,
    noted,
    told_at,
    watched,
)

from tests.backend.identity.pool import Caller
from tests.backend.queue.examples import MINUTE, queued
from tests.backend.queue.line import fill, pass_a_minute
from tests.backend.routes.site import CANCEL, Site
from tests.builders import DANA, MIRO
from tests.fakes import START
from tests.lifecycle.trainer import Trainer


@pytest.mark.parametrize(
    ("kind", "position", "wait_minutes", "sentence"),
    [
        (NEAR, 3, 50, "Your job is 3rd in queue. Starting soon."),
        (NEAR, 3, 300, "Your job is 3rd in queue. Estimated start: 5 hours."),
        (NEAR, 2, 45, "Your queued job moved to position #2. Estimated start: 45 minutes."),
        (NEXT, 1, 15, "Your job is next! Starting within 15 minutes."),
        (NEXT, 1, 40, "Your job is next! Estimated start: 40 minutes."),
        (NEXT, 1, None, "Your job is next!"),
        (PROVISIONING, 0, None, "GPU provisioning started for Harbour run 1."),
    ],
)
def test_each_has_its_words(kind: str, position: int, wait_minutes: int | None, sentence: str) -> None:
    wait = None if wait_minutes is None else wait_minutes * MINUTE
    assert message(kind, queued(1), position, wait) == sentence


def test_the_first_three_places_are_worth_telling() -> None:
    assert [due(position) for position in (1, 2, 3, 4, 9)] == [NEXT, NEAR, NEAR, None, None]


def test_what_was_noted_holds_for_one_wait() -> None:
    first = noted(queued(1), NEXT, START + MINUTE)
    assert noted(first, NEXT, START + 5 * MINUTE) is first
    back = transitions.requeue(transitions.claim(first, START + 6 * MINUTE), START, START)
    assert told_at(back, NEXT) == START + MINUTE
    later = replace(back, queued_at=START + timedelta(hours=3))
    assert told_at(later, NEXT) is None
    again = noted(later, NEXT, START + timedelta(hours=4))
    assert again.told == ((NEXT, START + timedelta(hours=4)),)


def test_the_creator_and_every_watcher_listen_once() -> None:
    job = queued(1)
    both = watched(watched(job, MIRO.as_person(), True), DANA.as_person(), True)
    assert [(person.id, watching) for person, watching in listeners(both)] == [
        (DANA.id, True),
        (MIRO.id, True),
    ]
    assert watched(both, MIRO.as_person(), True) is both
    assert listeners(watched(both, DANA.as_person(), False))[0] == (DANA.as_person(), False)
    assert watched(job, MIRO.as_person(), False) is job


QUEUE_KINDS = ("queue_near", "queue_next", "job_provisioning")


def _told(caller: Caller, *kinds: str) -> list[str]:
    """Oldest first."""
    notes = caller.call("GET", "/api/notifications?limit=100").data["notifications"]
    return [note["message"] for note in reversed(notes) if note["type"] in (kinds or QUEUE_KINDS)]


def _watch(caller: Caller, job_id: str, wanted: Any = True) -> Any:
    return caller.call("PUT", f"/api/jobs/{job_id}/watch", {"queue": wanted})


def _leave(site: Site, job_id: str) -> None:
    site.dana.call("POST", f"/api/jobs/{job_id}/cancel", CANCEL)
    site.world.machine.work()
    pass_a_minute(site)


def test_who_watches_hears_of_every_stage_once_and_nobody_else_does(site: Site) -> None:
    jobs = fill(site, 7)
    last = jobs[6]
    assert _watch(site.miro, last).data == {"id": last, "queue": True}
    rows = site.miro.call("GET", "/api/queue").data["queued"]
    assert [row["watching"] for row in rows] == [False, False, False, True]

    _leave(site, jobs[3])
    _leave(site, jobs[4])
    _leave(site, jobs[5])
    for _ in range(4):
        pass_a_minute(site)
    near, front = _told(site.miro)
    assert near.startswith("Your job is 3rd in queue.")
    assert front.startswith("Your job is next!")

    _leave(site, jobs[0])
    Trainer(site.world, last).hello().stage("preprocessing", "active")
    pass_a_minute(site)
    name = site.world.job(last).name
    assert _told(site.miro)[2:] == [f"GPU provisioning started for {name}."]
    assert _told(site.dana) == []
    assert _told(site.noor) == []
    mailed = [mail["subject"] for mail in site.world.notifier.mails if mail["to"] == "miro@example.com"]
    assert [subject.partition(":")[0] for subject in mailed] == [
        "Starting Soon",
        "Next in Queue",
        "GPU Provisioning Started",
    ]


def test_who_watches_another_s_job_hears_when_training_starts(site: Site) -> None:
    (job_id,) = fill(site, 1)
    _watch(site.miro, job_id)
    trainer = Trainer(site.world, job_id)
    site.hello(trainer)
    stage = trainer.event("stage", stage="preprocessing", state="active", message="", progress=0.0)
    assert site.events(trainer, stage).status == 200
    name = site.world.job(job_id).name
    assert _told(site.miro, "job_started") == [f"Training started for {name}."]
    (own,) = _told(site.dana, "job_started")
    assert own.startswith("Your training job has started on")


def test_the_creator_hears_of_the_queue_by_preference(site: Site) -> None:
    choice = {"preferences": {"queue_next": {"in_app": True}}}
    site.dana.call("PUT", "/api/notifications/preferences", choice)
    fill(site, 5)
    (sentence,) = _told(site.dana)
    assert sentence.startswith("Your job is next!")
    assert [mail for mail in site.world.notifier.mails if "Queue" in mail["subject"]] == []


def test_a_job_that_jumps_past_the_third_place_is_told_where_it_is(site: Site) -> None:
    jobs = fill(site, 7)
    _watch(site.miro, jobs[6])
    for job_id in (jobs[4], jobs[5]):
        site.world.jobs.delete(site.world.job(job_id))
    pass_a_minute(site)
    (sentence,) = _told(site.miro)
    assert sentence.startswith("Your queued job moved to position #2. Estimated start: ")


def test_what_was_noted_and_not_told_is_told_by_the_minute_and_only_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = fill(site, 4)
    # Watching begins before the place is noted anew.
    job = site.world.job(jobs[3])
    site.world.jobs.save(replace(job, told=(), watchers=(MIRO.as_person(),)), expected=job)
    miro_id = MIRO.id
    real = site.world.notifications.add

    def dead(*arguments: Any) -> bool:
        raise RuntimeError("The process died here.")

    monkeypatch.setattr(site.world.notifications, "add", dead)
    pass_a_minute(site)
    monkeypatch.setattr(site.world.notifications, "add", real)
    assert told_at(site.world.job(jobs[3]), NEXT) is not None
    for _ in range(15):
        pass_a_minute(site)
    told = [row for row in site.world.notifications.rows.values() if row.user_id == miro_id]
    assert [row.type for row in told] == ["queue_next"]


def test_watching_can_be_ended_and_ended_jobs_cannot_be_watched(site: Site) -> None:
    jobs = fill(site, 4)
    _watch(site.miro, jobs[3])
    assert _watch(site.miro, jobs[3], False).data["queue"] is False
    site.dana.call("POST", f"/api/jobs/{jobs[3]}/cancel", CANCEL)
    assert _watch(site.miro, jobs[3]).status == 409
    assert _watch(site.miro, "job_0000000000000000").status == 404
    for odd in ("yes", 1, None):
        assert _watch(site.miro, jobs[2], odd).status == 422
