from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from chalicelib.adapters.replies import DynamoReplies
from chalicelib.domain.errors import NotFound, StorageUnavailable, ValidationFailed, WrongStatus
from moto import mock_aws


@pytest.fixture
def dynamo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName="t-idempotency",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


def test_the_same_request_is_answered_once(dynamo: Any) -> None:
    replies = DynamoReplies("t-idempotency", dynamo)
    made: list[int] = []

    def produce() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    assert replies.once("u r k", b"{}", produce) == {"n": 1}
    assert DynamoReplies("t-idempotency", dynamo).once("u r k", b"{}", produce) == {"n": 1}
    assert replies.once("u r other", b"{}", produce) == {"n": 2}


def test_another_body_under_the_same_key_is_refused(dynamo: Any) -> None:
    replies = DynamoReplies("t-idempotency", dynamo)
    replies.once("k", b'{"a":1}', lambda: {"ok": True})
    with pytest.raises(ValidationFailed) as caught:
        replies.once("k", b'{"a":2}', lambda: {"ok": True})
    assert "Idempotency-Key" in caught.value.details


def test_a_second_request_while_the_first_runs_is_told_to_wait(dynamo: Any) -> None:
    replies = DynamoReplies("t-idempotency", dynamo)
    started, finish = threading.Event(), threading.Event()
    answers: list[Any] = []

    def slow() -> str:
        started.set()
        assert finish.wait(10)
        return "first"

    first = threading.Thread(target=lambda: answers.append(replies.once("k", b"", slow)))
    first.start()
    assert started.wait(10)
    with pytest.raises(WrongStatus):
        DynamoReplies("t-idempotency", dynamo).once("k", b"", lambda: "second")
    finish.set()
    first.join(10)
    assert answers == ["first"]


def test_an_error_is_not_replayed(dynamo: Any) -> None:
    replies = DynamoReplies("t-idempotency", dynamo)

    def fails() -> None:
        raise NotFound("gone")

    with pytest.raises(NotFound):
        replies.once("k", b"", fails)
    assert replies.once("k", b"", lambda: "now") == "now"


def test_records_expire_after_a_day(dynamo: Any) -> None:
    DynamoReplies("t-idempotency", dynamo).once("k", b"", lambda: "x")
    (item,) = dynamo.scan(TableName="t-idempotency")["Items"]
    assert {"id", "expiration", "status", "data", "validation"} <= set(item)


def test_no_table_means_nothing_was_done(dynamo: Any) -> None:
    made: list[int] = []
    with pytest.raises(StorageUnavailable, match="nothing was done"):
        DynamoReplies("absent", dynamo).once("k", b"", lambda: made.append(1))
    assert made == []


def test_work_that_was_done_is_reported_even_when_it_cannot_be_remembered(dynamo: Any) -> None:
    def produce() -> str:
        dynamo.delete_table(TableName="t-idempotency")
        return "done"

    assert DynamoReplies("t-idempotency", dynamo).once("k", b"", produce) == "done"
