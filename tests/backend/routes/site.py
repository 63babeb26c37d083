"""The API in process over the lifecycle world: people, signed pods, and the state machine behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from chalice.test import Client
from chalicelib import bootstrap, views
from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.identity import Role, User
from chalicelib.domain.people import user_id_of
from chalicelib.settings import settings
from chalicelib.signatures import sign

from tests import fakes
from tests.application import application
from tests.backend.estimate.examples import a_dataset
from tests.backend.identity.pool import Caller, FakePool, Reply
from tests.backend.identity.world import ENVIRONMENT, FakeReplies
from tests.fakes import START
from tests.fakes_queue import FakeApprovals, FakeQueueEvents
from tests.lifecycle.trainer import Trainer
from tests.lifecycle.world import World

GPU: dict[str, Any] = {"type": "NVIDIA H100 80GB HBM3", "count": 1, "tier": "spot"}
DRAFT = {
    "dataset_id": a_dataset().id,
    "preset_id": "balanced",
    "gpu": GPU,
    "base_model": "llama-3.1-8b-instruct",
}
CONFIRMED = {"acknowledged": {"configuration": True, "cost": True, "budget": True}}
CANCEL = {"reason": "not_improving", "notes": None, "confirmed": True}


@dataclass
class Site:
    client: Client
    world: World = field(default_factory=World)
    pool: FakePool = field(default_factory=FakePool)
    users: fakes.FakeUsers = field(default_factory=fakes.FakeUsers)
    datasets: fakes.FakeDatasets = field(default_factory=fakes.FakeDatasets)
    queue_events: FakeQueueEvents = field(default_factory=FakeQueueEvents)
    approvals: FakeApprovals = field(default_factory=FakeApprovals)

    def person(self, name: str, role: Role) -> Caller:
        account = self.pool.accounts.get(f"{name}@example.com") or self.pool.add(f"{name}@example.com")
        row = User(user_id_of(account.subject), account.email, name.title(), role, START)
        if self.users.get(row.id) is None:
            self.users.save(row, expected=None)
        return Caller(self.client, f"access-{account.subject}")

    @property
    def dana(self) -> Caller:
        return self.person("dana", Role.OWNER)

    @property
    def miro(self) -> Caller:
        return self.person("miro", Role.MEMBER)

    @property
    def noor(self) -> Caller:
        return self.person("noor", Role.MEMBER)

    def draft(self, by: Caller | None = None, **changes: Any) -> str:
        reply = (by or self.dana).call("POST", "/api/jobs", {**DRAFT, **changes})
        assert reply.status == 201, reply.body
        return str(reply.data["id"])

    def started(self, by: Caller | None = None, **changes: Any) -> str:
        job_id = self.draft(by, start=CONFIRMED, **changes)
        self.world.machine.work()
        return job_id

    def pod(self, trainer: Trainer, verb: str, body: Any, **tampered: Any) -> Reply:
        """A call that the attempt signed; `tampered` replaces headers, None removes one."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = int(tampered.pop("at", self.world.clock.now.timestamp()))
        secret = tampered.pop("secret", trainer.secret)
        headers: dict[str, Any] = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(secret, "msg_1", stamp, raw),
        }
        headers |= {name.replace("_", "-"): value for name, value in tampered.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        reply = Caller(self.client).call("POST", f"/webhooks/pods/{trainer.job_id}/{verb}", raw, sent)
        self.world.machine.work()
        return reply

    def hello(self, trainer: Trainer, **tampered: Any) -> Reply:
        body = {"attempt": trainer.attempt, "fence": trainer.fence, "trainer_version": "1.0.0"}
        return self.pod(trainer, "hello", body, **tampered)

    def events(self, trainer: Trainer, *events: Mapping[str, Any], first: int = 0, **tampered: Any) -> Reply:
        body = {
            "attempt": trainer.attempt,
            "fence": trainer.fence,
            "incarnation": 1,
            "first_sequence": first,
            "events": list(events),
        }
        return self.pod(trainer, "events", body, **tampered)


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name, value in {**ENVIRONMENT, "LOCAL_MODELS": "true", "STATE_MACHINE_ARN": "arn:fake"}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with Client(application()) as client:
        site = Site(client)
        world = site.world
        dataset = a_dataset()
        site.datasets.save(dataset, expected=None)
        world.files.objects[dataset.key] = bytes(dataset.size_bytes)
        ports: dict[str, Any] = {
            name: getattr(world, name)
            for name in (
                "jobs", "progress", "attempts", "models", "terminations", "costs", "budgets", "audit", "documents",
                "files", "cloud", "notifications", "notifier", "clock",
            )
        }  # fmt: skip
        ports |= {"users": site.users, "datasets": site.datasets, "sign_in": site.pool}
        ports |= {"queue_events": site.queue_events, "approvals": site.approvals}
        ports |= {"workflow": world.machine, "tokens": fakes.FakeTokens(), "replies": FakeReplies()}
        ports["jobs_index"] = JobsIndex(world.jobs, world.files, views.job_row, world.clock)
        for name, port in ports.items():
            monkeypatch.setattr(bootstrap, name, partial(_same, port))
        monkeypatch.setattr(bootstrap, "secret", lambda _parameter: "master")
        yield site
        ports["jobs_index"].close()
    settings.cache_clear()


def _same(port: Any) -> Any:
    return port


def differing_keys(reply: Any, example: Any, path: str = "") -> list[str]:
    """Where two JSON values differ in shape. null on either side fits everything; lists are compared by element."""
    if reply is None or example is None:
        return []
    if isinstance(reply, dict) and isinstance(example, dict):
        found = [f"{path}.{key}: only in the reply" for key in sorted(reply.keys() - example.keys())]
        found += [f"{path}.{key}: missing" for key in sorted(example.keys() - reply.keys())]
        for key in sorted(reply.keys() & example.keys()):
            found += differing_keys(reply[key], example[key], f"{path}.{key}")
        return found
    if isinstance(reply, list) and isinstance(example, list):
        return [
            line
            for each in reply
            for line in (differing_keys(each, example[0], f"{path}[]") if example else [])
        ]
    numbers = (int, float)
    same = type(reply) is type(example) or (isinstance(reply, numbers) and isinstance(example, numbers))
    return [] if same else [f"{path}: {type(reply).__name__} instead of {type(example).__name__}"]
