"""People, their roles, and the API tokens machines use."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.person import Person


class Role(StrEnum):
    MEMBER = "member"
    MANAGER = "manager"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def covers(self, needed: Role) -> bool:
        return self.rank >= needed.rank


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime
    active: bool = True
    time_zone: str = "UTC"
    preferences: dict[str, str] = field(default_factory=dict)
    version: int = 0

    def as_person(self) -> Person:
        return Person(self.id, self.name, self.email, self.role.value)


def may_change(user: User, creator_id: str) -> bool:
    """Whoever made a job, and managers and above, may change it."""
    return user.id == creator_id or user.role.covers(Role.MANAGER)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """Only the hash is kept. scopes: `*`, or route groups such as `jobs:read`, `jobs:write`."""

    id: str
    hash: str
    user_id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    version: int = 0
