"""The catalogue and model routes in process, on fakes, as a signed-in person."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from chalice.test import Client
from chalicelib import bootstrap
from chalicelib.domain.errors import NotFound
from chalicelib.domain.identity import User
from chalicelib.domain.people import user_id_of
from chalicelib.settings import settings

from tests.application import application
from tests.backend.identity.pool import Caller, FakePool
from tests.backend.identity.world import ENVIRONMENT
from tests.builders import DANA
from tests.fakes import FakeClock, FakeJobs, FakeModels, FakeSettings, FakeUsers


@dataclass
class MemoryFiles:
    """The part of `ports.Files` that models need. `forgetful`: names whose checksum storage does not keep."""

    objects: dict[str, bytes] = field(default_factory=dict)
    forgetful: set[str] = field(default_factory=set)
    heads: list[str] = field(default_factory=list)

    def head(self, key: str) -> Mapping[str, Any] | None:
        self.heads.append(key)
        if key not in self.objects:
            return None
        body = self.objects[key]
        known = key.rsplit("/", 1)[-1] not in self.forgetful
        return {"size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest() if known else None}

    def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20, offset: int = 0) -> Iterator[bytes]:
        if key not in self.objects:
            raise NotFound("No such object.")
        body = self.objects[key][offset:]
        for start in range(0, len(body), chunk_bytes):
            yield body[start : start + chunk_bytes]

    def download_link(self, key: str, *, expires_in_seconds: int, file_name: str | None = None) -> str:
        return f"https://storage.example/{key}?expires={expires_in_seconds}&name={file_name}"


@dataclass
class Shop:
    """dana: the API as the owner."""

    dana: Caller
    stranger: Caller
    jobs: FakeJobs
    models: FakeModels
    documents: FakeSettings
    files: MemoryFiles
    user: User


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch, *, local_models: bool = True) -> Iterator[Shop]:
    for name, value in {**ENVIRONMENT, "LOCAL_MODELS": str(local_models).lower()}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    pool, users, clock = FakePool(), FakeUsers(), FakeClock()
    account = pool.add(DANA.email)
    user = User(user_id_of(account.subject), DANA.email, DANA.name, DANA.role, DANA.created_at)
    users.save(user, expected=None)
    with Client(application()) as client:
        caller = Caller(client)
        shop = Shop(
            caller.as_token(f"access-{account.subject}"),
            caller,
            FakeJobs(),
            FakeModels(),
            FakeSettings(),
            MemoryFiles(),
            user,
        )
        made = {"users": users, "sign_in": pool, "jobs": shop.jobs, "models": shop.models}
        made |= {"documents": shop.documents, "files": shop.files, "clock": clock}
        for name, port in made.items():
            monkeypatch.setattr(bootstrap, name, lambda port=port: port)
        yield shop
    settings.cache_clear()
