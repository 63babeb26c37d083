"""An API token stops working, at once."""

from __future__ import annotations

from chalicelib.domain.errors import NotFound
from chalicelib.domain.identity import User
from chalicelib.ports import TokenStore


def revoke_token(user: User, token_id: str, *, tokens: TokenStore) -> None:
    """Own tokens only; NotFound otherwise, so that ids of others cannot be probed."""
    token = next((token for token in tokens.of_user(user.id) if token.id == token_id), None)
    if token is None:
        raise NotFound("You have no API token with this id; it may be revoked already.")
    tokens.delete(token)
