"""The dataset routes and the checking Lambda in process, on fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from chalice.test import Client
from chalicelib import bootstrap
from chalicelib.domain.errors import NotAllowed
from chalicelib.domain.identity import Role, User
from chalicelib.routes import access

from tests.application import application
from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.datasets.rows import good, jsonl
from tests.builders import DANA, MIRO
from tests.fakes import START, FakeAudit, FakeClock, FakeDatasets, FakeJobs

OTHER = User("usr_noor00000001", "noor@example.com", "Noor Haas", Role.MEMBER, START)


class RoomyContext:
    """Of a Lambda with a quarter of an hour ahead; the test client's own has three seconds."""

    function_name = "ValidateDataset"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass
class World:
    client: Client
    datasets: FakeDatasets = field(default_factory=FakeDatasets)
    files: FakeFiles = field(default_factory=FakeFiles)
    jobs: FakeJobs = field(default_factory=FakeJobs)
    audit: FakeAudit = field(default_factory=FakeAudit)
    clock: FakeClock = field(default_factory=FakeClock)
    user: User = MIRO

    def call(self, method: str, path: str, body: Any = None, *, status: int | None = None) -> Any:
        """The JSON reply; `data` of it when the call succeeded."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        reply = self.client.http.request(method, path, {"content-type": "application/json"}, raw)
        answer = reply.json_body
        if status is None:
            assert reply.status_code < 300, answer
        else:
            assert reply.status_code == status, answer
        return answer.get("data", answer)

    def announce(self, body: bytes, **changes: Any) -> dict[str, Any]:
        asked = {"name": "Harbour", "file_name": "harbour.jsonl", "size_bytes": len(body), **changes}
        made: dict[str, Any] = self.call("POST", "/api/datasets", asked)
        return made

    def arrive(self, dataset_id: str, body: bytes | None = None) -> Mapping[str, Any]:
        """The file lands and storage says so. None: the notification alone."""
        key = f"datasets/{dataset_id}/source.jsonl"
        if body is not None:
            self.files.objects[key] = body
        event = {"Records": [{"s3": {"object": {"key": key.replace("/", "%2F")}}}]}
        return self.invoke(event)

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        result: Mapping[str, Any] = application().handler_map["ValidateDataset"](event, RoomyContext())
        return result

    def ready(self, body: bytes | None = None, **changes: Any) -> str:
        file = jsonl(good()) if body is None else body
        dataset_id = str(self.announce(file, **changes)["dataset"]["id"])
        self.arrive(dataset_id, file)
        return dataset_id


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with Client(application()) as client:
        made = World(client)

        def signed_in(headers: Mapping[str, str], role: Role, scope: str) -> User:
            if not made.user.role.covers(role):
                raise NotAllowed(f"This needs the role {role.value}.")
            return made.user

        monkeypatch.setattr(access, "signed_in_user", signed_in)
        monkeypatch.setattr(bootstrap, "clock", lambda: made.clock)
        for name in ("datasets", "files", "jobs", "audit"):
            monkeypatch.setattr(bootstrap, name, lambda name=name: getattr(made, name))
        yield made


__all__ = ["DANA", "MIRO", "OTHER", "World"]
