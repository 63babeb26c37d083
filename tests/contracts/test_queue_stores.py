"""The queue's history and approvals, on the fakes and on DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chalicelib.domain.approval import (
    Approval,
    ApprovalStatus,
    Approver,
    addressed,
    approver_of,
    link_token,
)
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.queue_history import QueueEvent
from chalicelib.ports_queue import cursor_of

from tests.builders import DANA, MIRO
from tests.fakes import START

Store = Callable[[str], Any]


def _approval(number: int, subject: str = "job_1", **changes: Any) -> Approval:
    made = Approval(
        id=f"apr_{number}",
        kind="promotion",
        subject=subject,
        payload={"old_position": 5, "reason": "client_deadline", "deep": [1, None, {"é": "✓"}]},
        requested_by=MIRO.as_person(),
        requested_at=START + timedelta(minutes=number),
        expires_at=START + timedelta(days=2),
        approvers=(Approver(DANA.as_person(), "h" * 64),),
    )
    return replace(made, **changes)


def test_the_same_event_added_twice_is_there_once(store: Store) -> None:
    events = store("queue_events")
    event = QueueEvent(START, "started", "job_1", "One", None, 12.5, "slot")
    promoted = QueueEvent(START, "promoted", "job_1", "One", "Dana", None, None, 5, 1, "Deadline ✓")
    for each in (event, event, promoted):
        events.add(each)
    assert sorted(events.of_day(START.date()), key=lambda each: each.kind) == [promoted, event]


def test_events_are_read_by_day_and_by_month_newest_first(store: Store) -> None:
    events = store("queue_events")
    days = [START + timedelta(days=day) for day in (-30, -1, 0, 1)]
    known = [QueueEvent(at, "added", "job_1", "One") for at in days]
    for each in known:
        events.add(each)
    assert list(events.of_day(START.date())) == [known[2]]
    assert list(events.of_month("2026-11", before=None, limit=9)) == [known[3], known[2], known[1]]
    assert list(events.of_month("2026-11", before=known[3].key, limit=1)) == [known[2]]
    assert list(events.of_month("2026-10", before=known[3].key, limit=9)) == [known[0]]


def test_an_approval_comes_back_as_it_was_saved_and_is_guarded_by_its_version(store: Store) -> None:
    approvals = store("approvals")
    saved = approvals.save(_approval(1), expected=None)
    assert approvals.get("apr_1") == saved
    assert approvals.get("apr_2") is None
    with pytest.raises(StaleWrite):
        approvals.save(_approval(1), expected=None)
    denied = approvals.save(replace(saved, status=ApprovalStatus.DENIED), expected=saved)
    with pytest.raises(StaleWrite):
        approvals.save(replace(saved, status=ApprovalStatus.APPROVED), expected=saved)
    assert approvals.get("apr_1") == denied


def test_approvals_are_listed_by_subject_by_status_and_while_something_is_to_be_done(store: Store) -> None:
    approvals = store("approvals")
    pending = approvals.save(_approval(1), expected=None)
    yes = _approval(2, "job_2", status=ApprovalStatus.APPROVED)
    to_carry_out = approvals.save(yes, expected=None)
    done = approvals.save(_approval(3, status=ApprovalStatus.APPROVED, outcome={"x": 1}), expected=None)
    older = approvals.save(_approval(0, status=ApprovalStatus.APPROVED, outcome={}), expected=None)
    assert list(approvals.of_subject("job_1")) == [done, pending, older]
    assert list(approvals.open()) == [pending, to_carry_out]
    assert list(approvals.of_status("approved", before=None, limit=9)) == [done, older]
    assert list(approvals.of_status("approved", before=cursor_of(done), limit=9)) == [older]
    assert list(approvals.of_status("denied", before=None, limit=9)) == []
    finished = approvals.save(replace(to_carry_out, outcome={"new_position": 1}), expected=to_carry_out)
    assert list(approvals.open()) == [pending]
    assert list(approvals.of_status("approved", before=None, limit=1)) == [done]
    assert list(approvals.of_subject("job_2")) == [finished]


def test_a_mailed_link_still_fits_the_approval_that_comes_back(store: Store) -> None:
    key = b"a secret of the tests"
    approvals = store("approvals")
    approvals.save(addressed(_approval(1), (DANA.as_person(),), key), expected=None)
    found = approvals.get("apr_1")
    token = link_token(found, DANA.id, key)
    assert approver_of(found, token, key) == DANA.as_person()
    assert approver_of(found, token, b"another secret") is None
    assert approver_of(found, link_token(found, MIRO.id, key), key) is None
