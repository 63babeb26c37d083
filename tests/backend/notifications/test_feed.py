from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from chalicelib.domain.identity import User
from chalicelib.domain.notification import Notification, Priority

from tests.backend.identity.world import World
from tests.fakes import START

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"


def _fill(world: World, user: User, count: int) -> None:
    for number in range(count):
        at = START + timedelta(minutes=number)
        world.notifications.add(
            Notification(
                f"ntf_{at:%Y%m%dT%H%M%S}-x", user.id, "job_started", "T", "M", Priority.MEDIUM, at, "/x"
            )
        )


def test_the_feed_is_ones_own_newest_first_by_pages(world: World) -> None:
    sam, eve = world.person("sam@example.com"), world.person("eve@example.com")
    _fill(world, sam, 25)
    _fill(world, eve, 3)
    caller = world.as_person(sam)

    first = caller.call("GET", "/api/notifications").data
    second = caller.call("GET", f"/api/notifications?cursor={first['cursor']}").data

    example = json.loads((EXAMPLES / "notifications.json").read_text("utf-8"))["data"]
    assert set(first) == set(example)
    assert set(first["notifications"][0]) == set(example["notifications"][0])
    assert len(first["notifications"]) == 20
    assert first["unread_count"] == 25
    ids = [one["id"] for one in first["notifications"] + second["notifications"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 25
    assert second["cursor"] is None


def test_reading_one_lowers_the_count_and_stays(world: World) -> None:
    sam = world.person("sam@example.com")
    _fill(world, sam, 3)
    caller = world.as_person(sam)
    one = caller.call("GET", "/api/notifications").data["notifications"][1]["id"]
    assert caller.call("PATCH", f"/api/notifications/{one}/read").data == {"unread_count": 2}
    assert caller.call("PATCH", f"/api/notifications/{one}/read").data == {"unread_count": 2}
    unread = caller.call("GET", "/api/notifications?unread=true").data["notifications"]
    assert one not in [each["id"] for each in unread]
    assert len(unread) == 2


def test_nobody_reads_for_another(world: World) -> None:
    sam, eve = world.person("sam@example.com"), world.person("eve@example.com")
    _fill(world, sam, 1)
    one = next(iter(world.notifications.rows.values())).id
    assert world.as_person(eve).call("PATCH", f"/api/notifications/{one}/read").status == 404
    assert world.notifications.unread_count(sam.id) == 1


def test_read_all_reads_all_of_ones_own(world: World) -> None:
    sam, eve = world.person("sam@example.com"), world.person("eve@example.com")
    _fill(world, sam, 4)
    _fill(world, eve, 2)
    reply = world.as_person(sam).call("POST", "/api/notifications/read-all", {})
    assert reply.data == {"marked": 4, "unread_count": 0}
    assert world.notifications.unread_count(eve.id) == 2


def test_preferences_are_kept_per_kind_and_channel(world: World) -> None:
    caller = world.as_person(world.person("sam@example.com"))
    before = caller.call("GET", "/api/notifications/preferences").data["preferences"]
    assert before["job_failed"] == {"in_app": True, "email": True}
    assert before["job_queued"] == {"in_app": True, "email": False}

    changed = caller.call(
        "PUT", "/api/notifications/preferences", {"preferences": {"job_failed": {"email": False}}}
    )

    assert changed.data["preferences"]["job_failed"] == {"in_app": True, "email": False}
    assert caller.call("GET", "/api/notifications/preferences").data == changed.data
    assert caller.call("GET", "/api/me").data["preferences"] == {"theme": "system"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"preferences": {"job_exploded": {"email": True}}}, "preferences.job_exploded"),
        ({"preferences": {"job_failed": {"pigeon": True}}}, "preferences.job_failed.pigeon"),
        ({"preferences": {"job_failed": {"email": "yes"}}}, "preferences.job_failed.email"),
        ({}, "preferences"),
    ],
)
def test_unknown_preferences_are_refused_by_name(world: World, body: dict[str, object], field: str) -> None:
    reply = world.as_person(world.person("sam@example.com")).call(
        "PUT", "/api/notifications/preferences", body
    )
    assert reply.status == 422
    assert field in reply.body["details"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=a%20b", "unread=maybe"]
)
def test_odd_feed_queries_are_refused(world: World, query: str) -> None:
    reply = world.as_person(world.person("sam@example.com")).call("GET", f"/api/notifications?{query}")
    assert reply.status == 422


@pytest.mark.parametrize("wrong", ["%00", "a%2Fb", "ntf_unknown", "%F0%9F%98%80", "x" * 500])
def test_unknown_or_odd_ids_are_not_found(world: World, wrong: str) -> None:
    reply = world.as_person(world.person("sam@example.com")).call("PATCH", f"/api/notifications/{wrong}/read")
    assert (reply.status, reply.body["code"]) == (404, "not_found")
