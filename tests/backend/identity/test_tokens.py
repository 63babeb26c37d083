from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from chalicelib.domain.identity import Role

from tests.backend.identity.pool import Caller
from tests.backend.identity.world import World
from tests.fakes import START

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"


def _make(caller: Caller, **body: object) -> str:
    reply = caller.call("POST", "/api/tokens", {"name": "nightly", **body})
    assert reply.status == 201, reply.body
    secret: str = reply.data["token"]
    return secret


def test_a_token_is_shown_once_and_kept_as_a_hash(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))

    made = sam.call("POST", "/api/tokens", {"name": "nightly runs"})

    example = json.loads((EXAMPLES / "token_created.json").read_text("utf-8"))
    assert set(made.data) == set(example["data"])
    secret = made.data["token"]
    assert len(secret) == 43
    assert secret.startswith(made.data["prefix"])
    listed = sam.call("GET", "/api/tokens")
    assert set(listed.data["tokens"][0]) == set(example["data"]) - {"token"}
    assert secret not in json.dumps(listed.body)
    assert secret not in repr(world.tokens.rows)


def test_a_token_speaks_for_its_person_with_the_present_role(world: World) -> None:
    user = world.person("sam@example.com")
    caller = world.api.as_token(_make(world.as_person(user)))
    assert caller.call("GET", "/api/me").data["role"] == "member"

    world.users.save(replace(user, role=Role.ADMIN), expected=user)

    assert caller.call("GET", "/api/me").data["role"] == "admin"


def test_a_revoked_token_stops_at_once(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))
    caller = world.api.as_token(_make(sam))
    token_id = sam.call("GET", "/api/tokens").data["tokens"][0]["id"]
    assert caller.call("GET", "/api/me").status == 200
    assert sam.call("DELETE", f"/api/tokens/{token_id}").status == 200
    assert caller.call("GET", "/api/me").status == 401
    assert sam.call("DELETE", f"/api/tokens/{token_id}").status == 404


def test_nobody_revokes_the_token_of_another(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))
    admin = world.as_person(world.person("admin@example.com", Role.ADMIN))
    _make(sam)
    token_id = sam.call("GET", "/api/tokens").data["tokens"][0]["id"]
    assert admin.call("DELETE", f"/api/tokens/{token_id}").status == 404
    assert len(sam.call("GET", "/api/tokens").data["tokens"]) == 1


def test_a_token_of_a_deactivated_person_is_refused(world: World) -> None:
    user = world.person("sam@example.com")
    caller = world.api.as_token(_make(world.as_person(user)))
    world.users.save(replace(user, active=False), expected=user)
    assert caller.call("GET", "/api/me").status == 401


def test_an_expired_token_is_refused(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))
    caller = world.api.as_token(_make(sam, expires_at="2026-11-22T11:00:00Z"))
    world.clock.advance(3599)
    assert caller.call("GET", "/api/me").status == 200
    world.clock.advance(1)
    reply = caller.call("GET", "/api/me")
    assert reply.status == 401
    assert "expired" in reply.body["error"]


def test_a_scoped_token_does_only_what_it_may(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))
    caller = world.api.as_token(_make(sam, scopes=["me:read"]))
    assert caller.call("GET", "/api/me").status == 200
    refused = caller.call("PUT", "/api/me", {"name": "Eve"})
    assert refused.status == 403
    assert refused.body["details"]["needed_scope"] == "me:write"


def test_a_limited_token_cannot_make_or_revoke_tokens(world: World) -> None:
    sam = world.as_person(world.person("sam@example.com"))
    limited = world.api.as_token(_make(sam, scopes=["tokens:read", "me:write"]))
    token_id = sam.call("GET", "/api/tokens").data["tokens"][0]["id"]
    assert limited.call("POST", "/api/tokens", {"name": "stronger"}).status == 403
    assert limited.call("DELETE", f"/api/tokens/{token_id}").status == 403
    everything = world.api.as_token(_make(sam))
    assert everything.call("POST", "/api/tokens", {"name": "another"}).status == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "n", "scopes": []}, "scopes"),
        ({"name": "n", "scopes": ["nothing:read"]}, "scopes"),
        ({"name": "n", "scopes": ["me:everything"]}, "scopes.0"),
        ({"name": "n", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "n", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "hash": "x"}, "hash"),
    ],
)
def test_a_bad_token_request_names_the_field(world: World, body: dict[str, object], field: str) -> None:
    reply = world.as_person(world.person("sam@example.com")).call("POST", "/api/tokens", body)
    assert reply.status == 422
    assert field in reply.body["details"]


def test_the_time_of_last_use_is_written_at_most_every_few_minutes(world: World) -> None:
    caller = world.api.as_token(_make(world.as_person(world.person("sam@example.com"))))
    seen = []
    for _ in range(7):
        caller.call("GET", "/api/me")
        seen.append(next(iter(world.tokens.rows.values())).last_used_at)
        world.clock.advance(60)
    assert seen == [START] * 5 + [START + timedelta(minutes=5)] * 2


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic abc",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer lp_unknown",
        "Bearer \u00e9",
        "bearer x" * 2000,
    ],
)
def test_broken_authorization_headers_get_401(world: World, header: str) -> None:
    reply = world.api.call("GET", "/api/me", headers={"Authorization": header})
    assert (reply.status, reply.body["code"]) == (401, "not_signed_in")
