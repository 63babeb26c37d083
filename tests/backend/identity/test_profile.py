from __future__ import annotations

import json
from pathlib import Path

import pytest
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.identity import User
from chalicelib.use_cases.update_profile import update_profile

from tests.backend.identity.world import World
from tests.fakes import FakeUsers

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"


def test_me_has_the_keys_of_the_contract(world: World) -> None:
    reply = world.as_person(world.person("sam@example.com")).call("GET", "/api/me")
    assert set(reply.data) == set(json.loads((EXAMPLES / "me.json").read_text("utf-8"))["data"])
    assert reply.data["preferences"] == {"theme": "system"}


def test_what_is_left_out_stays_and_preferences_merge(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))
    sam.call(
        "PUT", "/api/me", {"name": "Sam Lee", "preferences": {"theme": "dark", "table.density": "tight"}}
    )
    sam.call("PUT", "/api/me", {"time_zone": "Europe/Lisbon", "preferences": {"theme": "light"}})
    me = sam.call("GET", "/api/me").data
    assert (me["name"], me["time_zone"]) == ("Sam Lee", "Europe/Lisbon")
    assert me["preferences"] == {"theme": "light", "table.density": "tight"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "owner"}, "role"),
        ({"email": "a@b"}, "email"),
        ({"name": " "}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"time_zone": "Mars/Phobos"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"preferences": {"theme": "neon"}}, "preferences"),
        ({"preferences": {"notify.job_failed.email": "off"}}, "preferences.notify.job_failed.email.[key]"),
        ({"preferences": {"theme": 1}}, "preferences.theme"),
    ],
)
def test_a_bad_profile_names_the_field(world: World, body: dict[str, object], field: str) -> None:
    reply = world.as_person(world.person("sam@example.com")).call("PUT", "/api/me", body)
    assert reply.status == 422
    assert field in reply.body["details"], reply.body


class _ContestedUsers(FakeUsers):
    """Someone else always writes just before us, `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def save(self, after: User, *, expected: User | None) -> User:
        if expected is not None and self.times > 0:
            self.times -= 1
            raise StaleWrite("Someone else changed this meanwhile.")
        saved: User = super().save(after, expected=expected)
        return saved


def test_a_lost_race_is_decided_again(world: World) -> None:
    user = world.person("sam@example.com")
    contested = _ContestedUsers(times=2)
    contested.rows = world.users.rows
    assert update_profile(user.id, users=contested, name="New").name == "New"
    contested.times = 99
    with pytest.raises(StaleWrite, match="Try again"):
        update_profile(user.id, users=contested, name="Newer")
