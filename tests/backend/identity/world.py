"""The API in process on fakes: what the identity and notification tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from chalice.test import Client
from chalicelib import bootstrap
from chalicelib.domain.identity import Role, User
from chalicelib.domain.people import user_id_of
from chalicelib.settings import settings

from tests.application import application
from tests.backend.identity.pool import Caller, FakePool
from tests.fakes import START, FakeClock, FakeNotifications, FakeTokens, FakeUsers

ENVIRONMENT = {
    "DEPLOYMENT": "test",
    "TABLE_PREFIX": "test",
    "BUCKET": "test",
    "PUBLIC_URL": "https://lora.example",
    "RUNPOD_API_BASE_URL": "http://127.0.0.1:9",
    "RUNPOD_KEY_PARAMETER": "/test/runpod",
    "WEBHOOK_SECRET_PARAMETER": "/test/webhook",
    "TRAINER_IMAGE": "trainer",
    "USER_POOL_ID": "eu-west-1_Test",
    "USER_POOL_CLIENT_ID": "client",
    "OWNER_EMAIL": "dana@example.com",
}


@dataclass
class FakeReplies:
    stored: dict[str, tuple[bytes, Any]] = field(default_factory=dict)

    def once(self, key: str, raw_body: bytes, produce: Any) -> Any:
        if key not in self.stored:
            self.stored[key] = (raw_body, produce())
        return self.stored[key][1]


@dataclass
class World:
    api: Caller
    pool: FakePool
    users: FakeUsers
    tokens: FakeTokens
    notifications: FakeNotifications
    clock: FakeClock
    replies: FakeReplies

    def person(self, email: str, role: Role = Role.MEMBER, *, active: bool = True) -> User:
        """Someone with an account and a row."""
        account = self.pool.add(email)
        row = User(user_id_of(account.subject), email, email.split("@")[0].title(), role, START, active)
        saved: User = self.users.save(row, expected=None)
        return saved

    def as_person(self, user: User) -> Caller:
        return self.api.as_token(f"access-{self.pool.accounts[user.email].subject}")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with Client(application()) as client:
        made = World(
            Caller(client),
            FakePool(),
            FakeUsers(),
            FakeTokens(),
            FakeNotifications(),
            FakeClock(),
            FakeReplies(),
        )
        for name in ("users", "tokens", "notifications", "clock"):
            monkeypatch.setattr(bootstrap, name, partial(getattr, made, name))
        monkeypatch.setattr(bootstrap, "sign_in", lambda: made.pool)
        monkeypatch.setattr(bootstrap, "replies", lambda: made.replies)
        yield made
    settings.cache_clear()
