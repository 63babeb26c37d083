from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from chalicelib.adapters.cognito import CognitoSignIn
from chalicelib.adapters.cognito_keys import LEAST_SECONDS_BETWEEN_FETCHES, LONGEST_SECONDS_KEPT, PoolKeys
from chalicelib.domain.errors import NotSignedIn, ServiceUnavailable
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backend.identity.published_keys import CLIENT, POOL, Keys, serving


@dataclass
class _Profiles:
    """The one call that checking a token makes."""

    asked: list[str] = field(default_factory=list)

    def get_user(self, AccessToken: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(AccessToken)
        attributes = {
            "email": "sam@example.com",
            "email_verified": "true",
            "name": "Sam",
            "phone_number": "1",
        }
        return {"UserAttributes": [{"Name": name, "Value": value} for name, value in attributes.items()]}


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with serving() as made:
        yield made


@pytest.fixture
def profiles() -> _Profiles:
    return _Profiles()


@pytest.fixture
def pool(keys: Keys, profiles: _Profiles, monkeypatch: pytest.MonkeyPatch) -> CognitoSignIn:
    monkeypatch.setenv("AWS_ENDPOINT_URL", keys.url + "/")
    keys.asked.clear()
    return CognitoSignIn(POOL, CLIENT, profiles)  # type: ignore[arg-type]


def test_a_valid_access_token_gives_its_claims_and_the_email(
    pool: CognitoSignIn, keys: Keys, profiles: _Profiles
) -> None:
    claims = pool.verify(keys.token())
    assert (claims["sub"], claims["email"], claims["name"]) == ("sub-1", "sam@example.com", "Sam")
    assert "phone_number" not in claims
    pool.verify(keys.token())
    assert keys.asked == [f"/{POOL}/.well-known/jwks.json"], "the keys are kept"
    assert len(profiles.asked) == 1, "so is the profile"


@pytest.mark.parametrize(
    "changes",
    [
        {"token_use": "id"},
        {"token_use": None},
        {"client_id": "another"},
        {"client_id": None},
        {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other"},
        {"iss": None},
        {"exp": datetime.now(UTC) - timedelta(minutes=1)},
        {"exp": None},
        {"sub": None},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
    ],
)
def test_a_token_for_something_else_is_refused(
    pool: CognitoSignIn, keys: Keys, profiles: _Profiles, changes: dict[str, Any]
) -> None:
    with pytest.raises(NotSignedIn):
        pool.verify(keys.token(**changes))
    assert profiles.asked == []


def _unsigned(header: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "sub-1", "token_use": "access", "client_id": CLIENT, "exp": 9_999_999_999}
    return f"{part(header)}.{part(claims)}."


def test_forged_signatures_are_refused(pool: CognitoSignIn, keys: Keys) -> None:
    keys.add("k2")
    genuine = keys.token()
    head, payload, signature = genuine.split(".")
    hmac = jwt.encode({"sub": "x"}, keys.document() * 2, algorithm="HS256", headers={"kid": "k1"})
    forged = [
        keys.token("k1", signed_by="k2"),
        f"{head}.{payload}.{signature[:-4]}AAAA",
        f"{head}.{payload}.",
        hmac,
        _unsigned({"alg": "none", "kid": "k1"}),
        _unsigned({"alg": "RS256"}),
        _unsigned({"alg": ["RS256"], "kid": {"a": 1}}),
    ]
    for token in forged:
        with pytest.raises(NotSignedIn):
            pool.verify(token)


@settings(max_examples=200, deadline=None)
@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_any_text_is_refused_as_a_token(keys: Keys, token: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", keys.url)
        pool = CognitoSignIn(POOL, CLIENT, _Profiles())  # type: ignore[arg-type]
    with pytest.raises(NotSignedIn):
        pool.verify(token)


@dataclass
class _Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_unknown_key_ids_cannot_make_us_ask_the_pool_again_and_again(keys: Keys) -> None:
    clock = _Seconds()
    kept = PoolKeys(f"{keys.url}/jwks.json", clock)
    keys.asked.clear()
    for number in range(50):
        assert kept.get(f"forged-{number}") is None
    assert len(keys.asked) == 1
    keys.add("rotated")
    assert kept.get("rotated") is None
    clock.now += LEAST_SECONDS_BETWEEN_FETCHES + 1
    assert kept.get("rotated") is not None
    assert len(keys.asked) == 2


def test_known_keys_serve_through_an_outage_of_the_pool(keys: Keys) -> None:
    clock = _Seconds()
    kept = PoolKeys(f"{keys.url}/jwks.json", clock)
    assert kept.get("k1") is not None
    keys.status = 503
    try:
        clock.now += LONGEST_SECONDS_KEPT + 1
        assert kept.get("k1") is not None
        with pytest.raises(ServiceUnavailable):
            PoolKeys(f"{keys.url}/jwks.json", clock).get("k1")
    finally:
        keys.status = 200


def test_on_aws_the_keys_come_from_the_issuer_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    pool = CognitoSignIn(POOL, CLIENT, _Profiles())  # type: ignore[arg-type]
    assert pool._keys._url == f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}/.well-known/jwks.json"
