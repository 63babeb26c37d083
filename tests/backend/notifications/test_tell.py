from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from chalicelib.domain.identity import Role, User
from chalicelib.domain.notification import Priority
from chalicelib.domain.person import Person
from chalicelib.use_cases.tell import tell

from tests.fakes import START, FakeNotifications, FakeNotifier, FakeUsers

SAM = Person("usr_sam", "Sam", "sam@example.com")


@dataclass(frozen=True)
class _Thing:
    name: str
    count: int = 1


@dataclass(frozen=True)
class _Configured:
    gpu: _Thing


DATASET = _Thing("Elena Morales Financial")
CONFIGURATION = _Configured(_Thing("H100 PCIe 80GB"))


@dataclass(frozen=True)
class _Job:
    id: str = "job_7h2k9d01ms83xq4t"
    name: str = "Elena - Balanced"
    run: int = 1
    created_by: Person = SAM
    dataset: Any = DATASET
    configuration: Any = CONFIGURATION
    queued_at: datetime | None = START
    started_at: datetime | None = START + timedelta(minutes=5)
    paused_at: datetime | None = START + timedelta(hours=2)
    ended_at: datetime | None = START + timedelta(hours=3)
    cost_usd: Decimal | None = Decimal("5.1")
    model_id: str | None = "mdl_7h2k9d01ms83xq4t"
    end_sentence: str = "The GPU ran out of memory."


def _told(kind: str, job: _Job, detail: str = "") -> Any:
    feed = FakeNotifications()
    tell(
        kind,
        job=job,
        now=START,
        notifications=feed,
        notifier=FakeNotifier(),
        public_url="https://lora.example",
        detail=detail,
    )
    (row,) = feed.rows.values()
    return row


@pytest.mark.parametrize(
    ("kind", "job", "detail", "title", "message", "priority"),
    [
        (
            "job_queued",
            _Job(),
            "",
            "Training Job Queued",
            'Your training job for "Elena Morales Financial" has been queued and will start shortly',
            Priority.LOW,
        ),
        (
            "job_started",
            _Job(),
            "",
            "Training Started",
            "Your training job has started on 1x H100 PCIe 80GB",
            Priority.MEDIUM,
        ),
        (
            "job_failed",
            _Job(started_at=None),
            "No GPU was to be had.",
            "Training Failed",
            "Your training job failed to start: No GPU was to be had.",
            Priority.HIGH,
        ),
        (
            "job_failed",
            _Job(),
            "",
            "Training Failed",
            "Your training job failed: The GPU ran out of memory.",
            Priority.HIGH,
        ),
        (
            "job_failed",
            _Job(end_sentence=""),
            "",
            "Training Failed",
            "Your training job failed: Training failed on GPU cluster",
            Priority.HIGH,
        ),
        (
            "job_completed",
            _Job(),
            "",
            "Training Completed",
            "Your training job completed successfully. Final cost: $5.10",
            Priority.HIGH,
        ),
        (
            "job_cancelled",
            _Job(),
            "",
            "Training Cancelled",
            "Your training job was cancelled successfully",
            Priority.MEDIUM,
        ),
        (
            "artifact_ready",
            _Job(),
            "4.5",
            "Model Ready for Download",
            "Your trained model is ready. Quality score: 4.5/5 stars",
            Priority.HIGH,
        ),
    ],
)
def test_each_kind_has_its_words(
    kind: str, job: _Job, detail: str, title: str, message: str, priority: Priority
) -> None:
    row = _told(kind, job, detail)
    assert (row.title, row.message, row.priority, row.type) == (title, message, priority, kind)
    assert row.user_id == SAM.id
    link = (
        "/models/mdl_7h2k9d01ms83xq4t" if kind == "artifact_ready" else "/training-jobs/job_7h2k9d01ms83xq4t"
    )
    assert row.link == link


def _tell_all(
    job: _Job,
    kinds: list[str],
    feed: FakeNotifications,
    notifier: FakeNotifier,
    users: FakeUsers | None = None,
    now: datetime = START,
) -> list[bool]:
    return [
        tell(
            kind,
            job=job,
            now=now,
            notifications=feed,
            notifier=notifier,
            public_url="https://lora.example",
            users=users,
        )
        for kind in kinds
    ]


def test_telling_again_later_adds_and_mails_nothing() -> None:
    feed, notifier = FakeNotifications(), FakeNotifier()
    kinds = ["job_queued", "job_started", "job_completed", "artifact_ready"]
    assert _tell_all(_Job(), kinds, feed, notifier) == [True] * 4
    mails = len(notifier.mails)
    assert _tell_all(_Job(), kinds, feed, notifier, now=START + timedelta(minutes=9)) == [False] * 4
    assert len(feed.rows) == 4
    assert len(notifier.mails) == mails


def test_a_second_run_is_told_anew_and_sorts_after_the_first() -> None:
    feed, notifier = FakeNotifications(), FakeNotifier()
    _tell_all(_Job(), ["job_started"], feed, notifier)
    resumed = replace(_Job(), run=2, queued_at=START + timedelta(hours=2))
    _tell_all(resumed, ["job_started"], feed, notifier)
    newest, oldest = feed.of_user(SAM.id, unread=False, limit=9, before=None)
    assert newest.at == START + timedelta(hours=2)
    assert newest.id > oldest.id


def test_what_matters_is_mailed_with_an_absolute_link() -> None:
    feed, notifier = FakeNotifications(), FakeNotifier()
    _tell_all(_Job(), ["job_queued", "job_started", "job_failed", "job_cancelled"], feed, notifier)
    (mail,) = notifier.mails
    assert mail["to"] == "sam@example.com"
    assert mail["subject"] == "Training Failed: Elena - Balanced"
    assert "https://lora.example/training-jobs/job_7h2k9d01ms83xq4t" in mail["text"]


def test_a_mailed_cancellation_says_when_what_it_cost_how_long_it_ran_and_why() -> None:
    notifier = FakeNotifier()
    tell(
        "job_cancelled",
        job=_Job(),
        now=START,
        notifications=FakeNotifications(),
        notifier=notifier,
        public_url="https://lora.example",
        detail="Cost too high / Over budget (by Dana Reyes)",
        users=_person(notify__job_cancelled__email="on"),
    )
    lines = notifier.mails[0]["text"].splitlines()
    assert lines[2:6] == [
        "Elena - Balanced",
        f"Cancelled: {START + timedelta(hours=3):%Y-%m-%d %H:%M} UTC",
        "Final cost: $5.10",
        "Elapsed: 2h 55m",
    ]
    assert lines[6] == "Reason: Cost too high / Over budget (by Dana Reyes)"
    assert lines[7].startswith("https://lora.example/training-jobs/")


def _person(**preferences: str) -> FakeUsers:
    users = FakeUsers()
    chosen = {name.replace("__", "."): value for name, value in preferences.items()}
    users.save(
        User("usr_sam", "new@example.com", "Sam", Role.MEMBER, START, preferences=chosen), expected=None
    )
    return users


def test_preferences_decide_what_is_mailed_and_what_rings() -> None:
    feed, notifier = FakeNotifications(), FakeNotifier()
    users = _person(
        notify__job_failed__email="off", notify__job_queued__email="on", notify__job_failed__in_app="off"
    )
    _tell_all(_Job(), ["job_failed", "job_queued"], feed, notifier, users)
    assert [mail["subject"] for mail in notifier.mails] == ["Training Job Queued: Elena - Balanced"]
    assert notifier.mails[0]["to"] == "new@example.com"
    assert feed.unread_count("usr_sam") == 1
    assert {row.type: row.read for row in feed.rows.values()} == {"job_failed": True, "job_queued": False}


def test_a_deactivated_person_gets_no_mail() -> None:
    users = _person()
    row = users.get("usr_sam")
    users.save(replace(row, active=False), expected=row)
    feed, notifier = FakeNotifications(), FakeNotifier()
    _tell_all(_Job(), ["job_failed"], feed, notifier, users)
    assert notifier.mails == []


def test_an_unknown_kind_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        _told("job_exploded", _Job())
