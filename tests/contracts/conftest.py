"""Each store suite runs twice: on the in-memory fake and on the DynamoDB adapter against moto in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from chalicelib.adapters.dynamo import attempts, jobs, listed, notifications, people, progress, queue, records
from chalicelib.adapters.dynamo.documents import bind
from chalicelib.adapters.dynamo.tables import TABLES
from moto import mock_aws

from tests import fakes, fakes_queue

PREFIX = "contract"
PAIRS: dict[str, tuple[Callable[[], Any], Callable[[str], Any]]] = {
    "jobs": (fakes.FakeJobs, jobs.DynamoJobs),
    "progress": (fakes.FakeProgress, progress.DynamoProgress),
    "attempts": (fakes.FakeAttempts, attempts.DynamoAttempts),
    "datasets": (fakes.FakeDatasets, listed.DynamoDatasets),
    "models": (fakes.FakeModels, listed.DynamoModels),
    "users": (fakes.FakeUsers, people.DynamoUsers),
    "tokens": (fakes.FakeTokens, people.DynamoTokens),
    "notifications": (fakes.FakeNotifications, notifications.DynamoNotifications),
    "terminations": (fakes.FakeTerminations, records.DynamoTerminations),
    "budgets": (fakes.FakeBudgets, records.DynamoBudgets),
    "costs": (fakes.FakeCosts, records.DynamoCosts),
    "queue_events": (fakes_queue.FakeQueueEvents, queue.DynamoQueueEvents),
    "approvals": (fakes_queue.FakeApprovals, queue.DynamoApprovals),
    "settings": (fakes.FakeSettings, records.DynamoSettings),
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("dynamodb")
        yield


@pytest.fixture(params=["fake", pytest.param("dynamodb", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """store(name): a fresh, empty store."""
    if request.param == "fake":
        return lambda name: PAIRS[name][0]()
    request.getfixturevalue("aws")

    def make(name: str) -> Any:
        for table in TABLES:
            bound = bind(table, PREFIX)
            if not bound.exists():
                bound.create_table(billing_mode="PAY_PER_REQUEST", wait=True)
        return PAIRS[name][1](PREFIX)

    return make
