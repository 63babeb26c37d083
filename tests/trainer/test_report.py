"""Reporting against a real HTTP server: nothing is lost, nothing blocks, everything is signed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from trainer.config import Address
from trainer.errors import SupersededError
from trainer.report import Reporter
from trainer.spool import Spool
from trainer.webhooks import ControlPlane, RefusedError, UnavailableError

from tests.trainer.fake_control_plane import FakeControlPlane
from tests.trainer.trainer_support import JOB_ID, SECRET, wait_until
from trainer import events

HELLO = {"trainer_version": "1", "image_digest": None, "gpu": None}


def never() -> bool:
    return False


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as opened:
        yield opened


def connect(plane: FakeControlPlane, client: httpx.Client, secret: bytes = SECRET) -> ControlPlane:
    return ControlPlane(plane.url, JOB_ID, secret, client)


def reporter(plane: FakeControlPlane, client: httpx.Client, folder: Path, interval: float = 30.0) -> Reporter:
    address = Address(JOB_ID, 1, plane.fence, plane.url)
    return Reporter(connect(plane, client), address, Spool(folder / "spool"), interval, min(interval, 0.2))


@pytest.fixture
def report(plane: FakeControlPlane, client: httpx.Client, tmp_path: Path) -> Iterator[Reporter]:
    made = reporter(plane, client, tmp_path)
    made.hello(HELLO, never)
    made.start()
    yield made
    made.close()


def say_points(report: Reporter, first: int, count: int) -> None:
    for step in range(first, first + count):
        report.say(events.metrics(step, 0.5, training_loss=1.0))


def steps(plane: FakeControlPlane) -> list[int]:
    return [event["step"] for event in plane.of_type("metrics")]


def test_events_arrive_in_order_and_leave_the_spool(
    plane: FakeControlPlane, report: Reporter, tmp_path: Path
) -> None:
    say_points(report, 0, 20)
    assert report.flush(10)
    assert steps(plane) == list(range(20))
    assert (tmp_path / "spool").read_text() == ""


def test_an_urgent_event_does_not_wait_for_the_interval(
    plane: FakeControlPlane, client: httpx.Client, tmp_path: Path
) -> None:
    plane.watched = False
    report = reporter(plane, client, tmp_path, interval=3600)
    report.hello(HELLO, never)
    report.start()
    report.say(events.note("warning", "look", "x"), True)
    wait_until(lambda: plane.of_type("warning"), "the warning arrives", 10)
    report.close()


def test_a_heartbeat_is_an_empty_batch(plane: FakeControlPlane, report: Reporter) -> None:
    wait_until(
        lambda: sum(route == "events" for route, _ in plane.requests) >= 2, "two heartbeats arrive", 10
    )
    assert all(body["events"] == [] for route, body in plane.requests if route == "events")


def test_an_outage_loses_nothing(plane: FakeControlPlane, report: Reporter) -> None:
    plane.failures = [500, 503, 429]
    say_points(report, 0, 5)
    assert report.flush(20)
    assert steps(plane) == list(range(5))


def test_a_lost_reply_does_not_double_an_event(plane: FakeControlPlane, report: Reporter) -> None:
    taken: list[int] = []

    def lose_the_first_reply(route: str, body: dict[str, Any]) -> None:
        if route == "events" and body["events"] and not taken:
            taken.append(1)
            plane._take(body)
            plane.failures.append(502)

    plane.before_reply = lose_the_first_reply
    say_points(report, 0, 3)
    assert report.flush(20)
    assert steps(plane) == [0, 1, 2]


def test_a_control_plane_that_lost_events_gets_the_waiting_ones_from_where_it_asks(
    plane: FakeControlPlane, report: Reporter
) -> None:
    say_points(report, 0, 4)
    assert report.flush(10)
    with plane.lock:
        plane.next_sequence = 2
    say_points(report, 4, 2)
    assert report.flush(10)
    assert steps(plane) == [0, 1, 2, 3, 4, 5]
    assert plane.next_sequence == 4


def test_a_killed_process_leaves_its_spool_to_the_next_one(
    plane: FakeControlPlane, client: httpx.Client, tmp_path: Path
) -> None:
    first = reporter(plane, client, tmp_path)
    first.hello(HELLO, never)
    say_points(first, 0, 3)
    with (tmp_path / "spool").open("a") as file:
        file.write('{"sequence": 3, "eve')
    second = reporter(plane, client, tmp_path)
    hello = second.hello(HELLO, never)
    assert hello is not None
    assert hello.incarnation == 2
    second.start()
    assert second.flush(10)
    second.close()
    assert steps(plane) == [0, 1, 2]


def test_a_refused_event_is_told_about_and_the_rest_still_arrives(
    plane: FakeControlPlane, report: Reporter
) -> None:
    report.say({"type": "metrics", "step": -4, "epoch": 0.0})
    say_points(report, 1, 3)
    assert report.flush(10)
    assert steps(plane) == [1, 2, 3]
    assert "refused" in plane.of_type("warning")[0]["message"]
    assert any("-4" in problem for problem in plane.problems)
    plane.problems.clear()


def test_a_thousand_large_events_travel_in_batches_within_the_limits(
    plane: FakeControlPlane, report: Reporter
) -> None:
    for number in range(1200):
        report.say(events.note("info", f"{number} " + "x" * 1500, "size"))
    assert report.flush(60)
    assert [int(event["message"].split()[0]) for event in plane.of_type("info")] == list(range(1200))
    assert max(len(body["events"]) for route, body in plane.requests if route == "events") <= 500


def test_another_attempt_stops_this_one(plane: FakeControlPlane, report: Reporter) -> None:
    plane.fence = "fence-0002"
    report.say(events.note("info", "anyone?", "x"), True)
    wait_until(report.superseded.is_set, "the attempt learns that it is superseded", 10)
    calls = len(plane.requests)
    report.say(events.note("info", "anyone?", "x"), True)
    assert report.flush(5)
    assert len(plane.requests) == calls


def test_hello_raises_when_another_attempt_has_taken_over(
    plane: FakeControlPlane, client: httpx.Client, tmp_path: Path
) -> None:
    report = reporter(plane, client, tmp_path)
    plane.fence = "fence-0002"
    with pytest.raises(SupersededError):
        report.hello(HELLO, never)


def test_hello_keeps_trying_until_it_is_answered_or_given_up(
    plane: FakeControlPlane, client: httpx.Client, tmp_path: Path
) -> None:
    report = reporter(plane, client, tmp_path)
    plane.failures = [500, 503]
    assert report.hello(HELLO, never) is not None
    assert report.hello(HELLO, lambda: True) is None


@pytest.mark.parametrize("offset_seconds", [-7200.0, 7200.0])
def test_a_wrong_clock_is_corrected_from_the_refusal(
    plane: FakeControlPlane, client: httpx.Client, offset_seconds: float
) -> None:
    plane.clock_offset_seconds = offset_seconds
    connection = connect(plane, client)
    assert connection.call("hello", {"attempt": 1, "fence": plane.fence, **HELLO})["incarnation"] == 1
    assert abs((connection.now() - plane.now()).total_seconds()) < 5


def test_a_wrong_secret_is_not_retried_for_ever(plane: FakeControlPlane, client: httpx.Client) -> None:
    with pytest.raises(UnavailableError, match="signature"):
        connect(plane, client, b"wrong").call("hello", {"attempt": 1, "fence": plane.fence, **HELLO})


def test_every_retry_is_signed_afresh(plane: FakeControlPlane, client: httpx.Client) -> None:
    with pytest.raises(RefusedError, match="422"):
        connect(plane, client).call("hello", {"fence": plane.fence})
    plane.problems.clear()


def test_the_command_of_a_reply_is_kept(plane: FakeControlPlane, report: Reporter) -> None:
    plane.command = "pause"
    wait_until(lambda: report.command == "pause", "the command is heard", 10)


def test_a_notice_does_not_wait_for_a_dead_server(plane: FakeControlPlane, report: Reporter) -> None:
    blocked = threading.Event()
    plane.before_reply = lambda *_: blocked.wait(8) and None
    report.say(events.note("stopping", "bye", "sigterm"), True)
    assert report.send_now(0.3) is False
    blocked.set()


def test_values_that_json_cannot_say_become_null() -> None:
    point = events.metrics(1, 0.1, training_loss=float("nan"), grad_norm=float("inf"), learning_rate=1e-4)
    assert json.loads(json.dumps(point, allow_nan=False))["training_loss"] is None
    assert point["learning_rate"] == 1e-4
