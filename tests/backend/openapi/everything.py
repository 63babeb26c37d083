"""The whole API in process on fakes, with people of every role and a WSGI door for HTTP test tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.client import responses
from typing import Any

import pytest
from chalice import Chalice  # type: ignore[attr-defined]
from chalice.test import Client
from chalicelib import bootstrap, views
from chalicelib.adapters.jobs_index import JobsIndex
from chalicelib.domain.approval import Approval
from chalicelib.domain.identity import Role, User
from chalicelib.domain.job import JobStatus
from chalicelib.domain.people import user_id_of
from chalicelib.settings import settings

from tests import fakes, fakes_queue
from tests.application import application
from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.estimate.examples import a_dataset
from tests.backend.identity.pool import FakePool
from tests.backend.identity.world import ENVIRONMENT, FakeReplies
from tests.builders import a_job
from tests.fakes_gpu import FakeGpuCloud


@dataclass
class Everything:
    app: Chalice
    pool: FakePool
    users: fakes.FakeUsers

    def token(self, role: Role) -> str:
        """An access token of someone with this role."""
        email = f"{role.value}@example.com"
        account = self.pool.accounts.get(email) or self.pool.add(email)
        row = User(user_id_of(account.subject), email, role.value.title(), role, fakes.START)
        if self.users.get(row.id) is None:
            self.users.save(row, expected=None)
        return f"access-{account.subject}"


def _furnish(ports: dict[str, Any]) -> None:
    """A job of each kind and a dataset, so that requests get further than "not found"."""
    changes: list[dict[str, Any]] = [
        {},
        {"status": JobStatus.QUEUED, "queued_at": fakes.START},
        {"status": JobStatus.RUNNING, "started_at": fakes.START, "run": 1, "attempt": 1},
        {"status": JobStatus.COMPLETED, "started_at": fakes.START, "ended_at": fakes.START},
    ]
    for number, change in enumerate(changes, start=1):
        ports["jobs"].save(a_job(number, **change), expected=None)
    ports["datasets"].save(a_dataset(), expected=None)
    ports["approvals"].save(_an_approval(), expected=None)


def _an_approval() -> Approval:
    person = User("usr_member", "member@example.com", "Member", Role.MEMBER, fakes.START).as_person()
    asked = {
        "job_name": "Harbour run 2",
        "old_position": 2,
        "new_position": 1,
        "queued_at": fakes.START.isoformat(),
        "reason": "client_deadline",
        "reason_label": "Client deadline",
    }
    until = fakes.START + timedelta(days=2)
    return Approval("apr_0000000000000001", "promotion", a_job(2).id, asked, person, fakes.START, until)


KNOWN_IDS = {
    "job_id": tuple(a_job(number).id for number in range(1, 5)),
    "dataset_id": (a_dataset().id,),
    "approval_id": (_an_approval().id,),
}


@contextmanager
def everything() -> Iterator[Everything]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "LOCAL_MODELS": "true", "STATE_MACHINE_ARN": "arn:fake"}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        made = Everything(application(), FakePool(), fakes.FakeUsers())
        clock = fakes.FakeClock()
        ports: dict[str, Any] = {
            "jobs": fakes.FakeJobs(),
            "progress": fakes.FakeProgress(),
            "attempts": fakes.FakeAttempts(),
            "datasets": fakes.FakeDatasets(),
            "models": fakes.FakeModels(),
            "users": made.users,
            "tokens": fakes.FakeTokens(),
            "notifications": fakes.FakeNotifications(),
            "terminations": fakes.FakeTerminations(),
            "budgets": fakes.FakeBudgets(),
            "costs": fakes.FakeCosts(),
            "queue_events": fakes_queue.FakeQueueEvents(),
            "approvals": fakes_queue.FakeApprovals(),
            "audit": fakes.FakeAudit(),
            "documents": fakes.FakeSettings(),
            "files": FakeFiles(),
            "cloud": FakeGpuCloud(clock),
            "workflow": fakes.FakeWorkflow(),
            "notifier": fakes.FakeNotifier(),
            "sign_in": made.pool,
            "clock": clock,
        }
        _furnish(ports)
        ports["jobs_index"] = JobsIndex(ports["jobs"], ports["files"], views.job_row, clock)
        for name, port in ports.items():
            patch.setattr(bootstrap, name, partial(_same, port))
        patch.setattr(bootstrap, "secret", lambda _parameter: "a secret of the tests")
        replies = FakeReplies()
        patch.setattr(bootstrap, "replies", lambda: replies)
        yield made
        ports["jobs_index"].close()
    settings.cache_clear()


def _same(port: Any) -> Any:
    return port


StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Door:
    """WSGI (PEP 3333) over Chalice's in-process client."""

    def __init__(self, app: Chalice) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name == "CONTENT_TYPE"
        }
        with Client(self._app) as client:
            reply = client.http.request(
                environ["REQUEST_METHOD"],
                environ["REQUEST_URI"],
                headers=headers,
                body=environ["wsgi.input"].read(length),
            )
        # API Gateway's default for a proxy reply that names no type.
        answered = {"Content-Type": "application/json", **(reply.headers or {})}
        sent = [(name, str(value)) for name, value in answered.items()]
        start_response(f"{reply.status_code} {responses.get(reply.status_code, 'Unknown')}", sent)
        return [reply.body]
