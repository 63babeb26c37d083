from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.identity import Role

from tests.backend.identity.world import World

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    return type(value).__name__


def _example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))


def test_the_owner_signs_in_for_the_first_time_and_becomes_owner(world: World) -> None:
    world.pool.add("dana@example.com", "correct horse battery staple")

    reply = world.api.call("POST", "/api/session", _example("session_request"))

    assert reply.status == 200
    assert _shape(reply.body) == _shape(_example("session_reply"))
    assert reply.data["user"]["role"] == "owner"
    assert reply.data["user"]["name"] == "Dana"


def test_anyone_else_becomes_a_member(world: World) -> None:
    world.pool.add("sam.lee@example.com", name="  Sam   Lee ")
    reply = world.api.call(
        "POST", "/api/session", {"email": "sam.lee@example.com", "password": "correct horse"}
    )
    assert reply.data["user"]["role"] == "member"
    assert reply.data["user"]["name"] == "Sam Lee"


def test_an_unverified_owner_email_does_not_make_an_owner(world: World) -> None:
    world.pool.add("dana@example.com", email_verified="false")
    reply = world.api.call("POST", "/api/session", {"email": "dana@example.com", "password": "correct horse"})
    assert reply.data["user"]["role"] == "member"


def test_an_unverified_email_does_not_take_over_the_row_of_its_true_owner(world: World) -> None:
    admin = world.person("admin@example.com", Role.ADMIN)
    impostor = world.pool.add("impostor@example.com")
    impostor.email, impostor.email_verified = admin.email, "false"

    reply = world.api.as_token(f"access-{impostor.subject}").call("GET", "/api/me")

    assert reply.data["id"] != admin.id
    assert reply.data["role"] == "member"


def test_an_invited_person_keeps_the_invited_role(world: World) -> None:
    invited = world.person("mia@example.com", Role.MANAGER)
    world.pool.accounts["mia@example.com"].subject = "made-anew"
    reply = world.api.as_token("access-made-anew").call("GET", "/api/me")
    assert (reply.data["id"], reply.data["role"]) == (invited.id, "manager")


def test_wrong_password_and_unknown_email_read_the_same(world: World) -> None:
    world.pool.add("sam@example.com")
    wrong = world.api.call("POST", "/api/session", {"email": "sam@example.com", "password": "nope"})
    unknown = world.api.call("POST", "/api/session", {"email": "nobody@example.com", "password": "nope"})
    assert wrong.status == unknown.status == 401
    assert wrong.body["error"] == unknown.body["error"] == "E-mail or password is wrong."


def test_a_throttled_sign_in_says_so(world: World) -> None:
    world.pool.throttled = True
    reply = world.api.call("POST", "/api/session", {"email": "sam@example.com", "password": "x"})
    assert (reply.status, reply.body["code"]) == (429, "too_many_requests")


def test_the_first_sign_in_asks_for_a_password_of_ones_own(world: World) -> None:
    world.pool.add("sam@example.com", must_change_password=True)
    challenge = world.api.call(
        "POST", "/api/session", {"email": "sam@example.com", "password": "correct horse"}
    )
    assert _shape(challenge.body) == _shape(_example("session_challenge_reply"))

    done = world.api.call(
        "POST",
        "/api/session/new-password",
        {"email": "sam@example.com", "session": challenge.data["session"], "new_password": " my own "},
    )

    assert _shape(done.body) == _shape(_example("session_reply"))
    again = world.api.call("POST", "/api/session", {"email": "sam@example.com", "password": " my own "})
    assert again.status == 200, "spaces at the ends of a password belong to it"


def test_a_forgotten_password_is_set_with_the_mailed_code(world: World) -> None:
    world.pool.add("sam@example.com")
    asked = world.api.call("POST", "/api/session/forgot-password", {"email": "sam@example.com"})
    unknown = world.api.call("POST", "/api/session/forgot-password", {"email": "nobody@example.com"})
    assert asked.body == unknown.body

    body = {"email": "sam@example.com", "code": "000000", "new_password": "fresh"}
    assert world.api.call("POST", "/api/session/new-password", body).status == 422
    reply = world.api.call("POST", "/api/session/new-password", {**body, "code": "123456"})
    assert reply.data["user"]["email"] == "sam@example.com"


@pytest.mark.parametrize("proof", [{}, {"session": "s", "code": "c"}])
def test_a_new_password_needs_exactly_one_proof(world: World, proof: dict[str, str]) -> None:
    body = {"email": "sam@example.com", "new_password": "fresh", **proof}
    reply = world.api.call("POST", "/api/session/new-password", body)
    assert reply.status == 422
    assert set(reply.body["details"]) == {"session", "code"}


def test_a_refresh_gives_a_session_until_signing_out(world: World) -> None:
    world.pool.add("sam@example.com")
    token = {"refresh_token": "refresh-sub-sam@example.com"}
    assert _shape(world.api.call("POST", "/api/session/refresh", token).body) == _shape(
        _example("session_reply")
    )
    assert world.api.call("POST", "/api/session/sign-out", token).status == 200
    assert world.api.call("POST", "/api/session/refresh", token).status == 401


def test_a_deactivated_person_cannot_sign_in_or_refresh(world: World) -> None:
    user = world.person("sam@example.com", active=False)
    signed = world.api.call("POST", "/api/session", {"email": user.email, "password": "correct horse"})
    refreshed = world.api.call(
        "POST", "/api/session/refresh", {"refresh_token": "refresh-sub-sam@example.com"}
    )
    assert signed.status == refreshed.status == 401
    assert "deactivated" in signed.body["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"email": 1, "password": "x"}',
        b'{"email": "a@b", "password": "\\ud800"}',
        b'{"email": "a@b", "password": ""}',
        b'{"email": "a@b\\u0000", "password": "x"}',
        b'{"email": "a@b", "password": "x", "role": "owner"}',
        b"\xff\xfe",
        b'{"email": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"email": NaN}',
    ],
)
def test_odd_sign_in_bodies_are_refused_with_the_error_envelope(world: World, body: bytes) -> None:
    reply = world.api.call("POST", "/api/session", body)
    assert reply.status in (400, 422)
    assert set(reply.body) == {"error", "details", "code", "request_id"}
