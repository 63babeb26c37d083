"""Users and API tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import TokenItem, UserItem
from chalicelib.domain.identity import ApiToken, User


@d.translating
class DynamoUsers:
    def __init__(self, prefix: str) -> None:
        self._users: Any = d.bind(UserItem, prefix)

    def get(self, user_id: str) -> User | None:
        found: User | None = d.fetch(self._users, User, user_id)
        return found

    def by_email(self, email: str) -> User | None:
        rows = [d.load(User, row.document) for row in self._users.by_email.query(email.lower(), limit=1)]
        return rows[0] if rows else None

    def save(self, after: User, *, expected: User | None) -> User:
        return d.save(self._users, after, expected, lambda row: {"id": row.id, "email": row.email.lower()})

    def all(self) -> Sequence[User]:
        # A team is small, and only administration reads it: not a request path that grows.
        return [d.load(User, row.document) for row in self._users.scan()]


@d.translating
class DynamoTokens:
    def __init__(self, prefix: str) -> None:
        self._tokens: Any = d.bind(TokenItem, prefix)

    def by_hash(self, token_hash: str) -> ApiToken | None:
        found: ApiToken | None = d.fetch(self._tokens, ApiToken, token_hash)
        return found

    def of_user(self, user_id: str) -> Sequence[ApiToken]:
        return [d.load(ApiToken, row.document) for row in self._tokens.by_user.query(user_id)]

    def save(self, after: ApiToken, *, expected: ApiToken | None) -> ApiToken:
        return d.save(
            self._tokens,
            after,
            expected,
            lambda row: {"hash": row.hash, "user_id": row.user_id, "created_at": row.created_at.isoformat()},
        )

    def delete(self, token: ApiToken) -> None:
        self._tokens(hash=token.hash).delete()
