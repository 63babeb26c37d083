"""An API token -> the person it speaks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain import api_tokens
from chalicelib.domain.errors import AppError, NotAllowed, NotSignedIn
from chalicelib.domain.identity import ApiToken, User
from chalicelib.ports import TokenStore, UserStore
from chalicelib.use_cases.recognise_person import DEACTIVATED

# Coarse on purpose: a client that polls each second must not cost a write each second.
LAST_USED_EVERY = timedelta(minutes=5)


def recognise_token(secret: str, scope: str, *, tokens: TokenStore, users: UserStore, now: datetime) -> User:
    """NotSignedIn when unknown, expired, or its person is gone; NotAllowed when the scope is missing."""
    token = tokens.by_hash(api_tokens.hash_of(secret))
    if token is None:
        raise NotSignedIn("This API token is unknown or was revoked. Make a new one under Settings.")
    if api_tokens.is_expired(token, now):
        raise NotSignedIn(f"The API token “{token.name}” has expired. Make a new one under Settings.")
    user = users.get(token.user_id)
    if user is None or not user.active:
        raise NotSignedIn(DEACTIVATED)
    if not api_tokens.allows(token.scopes, scope):
        raise NotAllowed(
            f"The API token “{token.name}” lacks the scope {scope}.",
            {"needed_scope": scope, "scopes": list(token.scopes)},
        )
    _note_use(token, tokens, now)
    return user


def _note_use(token: ApiToken, tokens: TokenStore, now: datetime) -> None:
    if token.last_used_at is not None and now - token.last_used_at < LAST_USED_EVERY:
        return
    try:
        tokens.save(replace(token, last_used_at=now), expected=token)
    except AppError:
        # Two requests raced, or storage hiccuped: the time of last use is a courtesy, the request is not.
        return
