"""People and API tokens as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.identity import ApiToken, User

DEFAULT_PREFERENCES: Mapping[str, str] = {"theme": "system"}
# Notification choices have a route of their own.
HIDDEN_PREFERENCE_PREFIX = "notify."


def me(user: User) -> dict[str, Any]:
    """contracts/examples/me.json"""
    own = {
        key: value for key, value in user.preferences.items() if not key.startswith(HIDDEN_PREFERENCE_PREFIX)
    }
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "time_zone": user.time_zone,
        "preferences": {**DEFAULT_PREFERENCES, **own},
    }


def session(answer: Mapping[str, Any], user: User) -> dict[str, Any]:
    """contracts/examples/session_reply.json"""
    return {
        "access_token": answer["access_token"],
        "refresh_token": answer["refresh_token"],
        "expires_in_seconds": answer["expires_in_seconds"],
        "user": me(user),
    }


def challenge(answer: Mapping[str, Any]) -> dict[str, Any]:
    """contracts/examples/session_challenge_reply.json"""
    return {"challenge": answer["challenge"], "session": answer["session"]}


def token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": list(token.scopes),
        "created_at": instant(token.created_at),
        "last_used_at": None if token.last_used_at is None else instant(token.last_used_at),
        "expires_at": None if token.expires_at is None else instant(token.expires_at),
    }


def token_created(made: ApiToken, secret: str) -> dict[str, Any]:
    """contracts/examples/token_created.json: the only place where the secret appears."""
    return {**token(made), "token": secret}


def tokens(of_user: Sequence[ApiToken]) -> dict[str, Any]:
    """contracts/examples/tokens.json, newest first."""
    return {
        "tokens": [token(each) for each in sorted(of_user, key=lambda each: each.created_at, reverse=True)]
    }


def instant(at: datetime) -> str:
    """ISO-8601 in UTC with `Z`, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
