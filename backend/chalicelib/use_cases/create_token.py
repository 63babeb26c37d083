"""A new API token: its secret is in the answer once and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from chalicelib.domain import api_tokens
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.identity import ApiToken, User
from chalicelib.domain.ids import new_id
from chalicelib.ports import TokenStore

MOST_TOKENS = 50


def create_token(
    user: User,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    known_scopes: Collection[str],
    tokens: TokenStore,
    now: datetime,
    random_bytes: bytes,
) -> tuple[ApiToken, str]:
    """(the stored token, the secret). random_bytes: 48 from a secure source. ValidationFailed by field."""
    problems: dict[str, list[str]] = {}
    unknown = sorted(set(scopes) - set(known_scopes) - {api_tokens.EVERYTHING})
    if unknown:
        problems["scopes"] = [f"Unknown: {', '.join(unknown)}. Known: *, {', '.join(sorted(known_scopes))}."]
    if expires_at is not None and expires_at <= now:
        problems["expires_at"] = ["Must be in the future."]
    if len(tokens.of_user(user.id)) >= MOST_TOKENS:
        problems["name"] = [f"You have {MOST_TOKENS} API tokens already. Revoke one that is not in use."]
    if problems:
        raise ValidationFailed(problems)
    secret = api_tokens.make_secret(random_bytes[:32])
    token = ApiToken(
        id=new_id("tok", random_bytes[32:]),
        hash=api_tokens.hash_of(secret),
        user_id=user.id,
        name=name,
        prefix=api_tokens.shown_prefix(secret),
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=now,
        expires_at=expires_at,
    )
    return tokens.save(token, expected=None), secret
