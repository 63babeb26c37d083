"""Who is calling, may they, and was this very request answered before? Used by the one route decorator."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib import bootstrap
from chalicelib.domain import api_tokens, errors
from chalicelib.domain.identity import Role, User
from chalicelib.settings import settings
from chalicelib.use_cases.recognise_person import recognise_person
from chalicelib.use_cases.recognise_token import recognise_token

_BEARER = re.compile(r"bearer +([\x21-\x7e]{1,8192}) *", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def signed_in_user(headers: Mapping[str, str], role: Role, scope: str) -> User:
    """The caller's row. headers: lower-case names.

    NotSignedIn: no, broken, expired or revoked token, or a deactivated person.
    NotAllowed: the person's role is below `role`, or an API token lacks `scope`.
    """
    token = _bearer_token(headers)
    now = bootstrap.clock()()
    if token.startswith(api_tokens.MARK):
        user = recognise_token(token, scope, tokens=bootstrap.tokens(), users=bootstrap.users(), now=now)
    else:
        claims = bootstrap.sign_in().verify(token)
        user = recognise_person(claims, users=bootstrap.users(), now=now, owner_email=settings().owner_email)
    if not user.role.covers(role):
        raise errors.NotAllowed(
            f"This needs the role {role.value} or above; yours is {user.role.value}. "
            "Ask an administrator of your organisation.",
            {"needed_role": role.value, "role": user.role.value},
        )
    return user


def _bearer_token(headers: Mapping[str, str]) -> str:
    value = headers.get("authorization", "")
    if not value:
        raise errors.NotSignedIn("Sign in first: send the header “Authorization: Bearer <token>”.")
    match = _BEARER.fullmatch(value)
    if match is None:
        raise errors.NotSignedIn("The Authorization header must read “Bearer <token>”.")
    return match[1]


def once(user_id: str, route: str, key: str, raw_body: bytes, produce: Callable[[], Any]) -> Any:
    """`produce()`, or what it returned when this person sent the same key to the same route within a day.

    ValidationFailed: the key was used with another body. WrongStatus: the first request still runs.
    An error is never replayed: the next try runs again.
    """
    if _KEY.fullmatch(key) is None:
        raise errors.ValidationFailed({"Idempotency-Key": ["Must be 1 to 255 visible ASCII characters."]})
    return bootstrap.replies().once(f"{user_id} {route} {key}", raw_body, produce)
