"""What the meter inside a worker counts: bytes by DynamoDB's rules, log lines, and every AWS call."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.signers import generate_presigned_url
from ministack_launcher.invocation_meter import Counted, Meter, item_bytes, value_bytes, written
from moto import mock_aws


def test_values_have_the_sizes_that_dynamodb_documents() -> None:
    assert value_bytes({"S": "né"}) == 3
    assert value_bytes({"N": "-12.5"}) == 3
    assert value_bytes({"B": b"12345"}) == 5
    assert value_bytes({"BOOL": True}) == value_bytes({"NULL": True}) == 1
    assert value_bytes({"L": [{"S": "ab"}]}) == 3 + 2 + 1
    assert item_bytes({"id": {"S": "job_1"}, "n": {"N": "7"}}) == 2 + 5 + 1 + 2


def test_each_item_of_a_transaction_is_counted_with_its_table() -> None:
    item = {"id": {"S": "abc"}}
    parameters = {
        "TransactItems": [
            {"Put": {"TableName": "p-jobs", "Item": item}},
            {"Delete": {"TableName": "p-events", "Key": item}},
        ]
    }
    assert list(written("TransactWriteItems", parameters)) == [
        {"table": "p-jobs", "kind": "Put", "bytes": 5},
        {"table": "p-events", "kind": "Delete", "bytes": 5},
    ]
    assert list(written("GetItem", {"TableName": "p-jobs", "Key": item})) == []


def test_a_counted_stream_passes_everything_on() -> None:
    inner = io.StringIO()
    stream = Counted(inner)
    stream.write("né\n")
    assert (inner.getvalue(), stream.lines, stream.bytes) == ("né\n", 1, 4)
    assert stream.writable()


@pytest.fixture
def meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meter:
    """One that may be installed in this process, which is as before afterwards."""
    monkeypatch.setattr(BaseClient, "_make_api_call", vars(BaseClient)["_make_api_call"])
    monkeypatch.setattr("botocore.signers.generate_presigned_url", generate_presigned_url)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr("sys.stderr", io.StringIO())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Meter(str(tmp_path / "lines"), "f-APIHandler", 1024)


def _lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]


def test_an_invocation_leaves_a_line_with_its_calls_and_what_it_logged(meter: Meter, tmp_path: Path) -> None:
    meter.install()

    def invoke() -> str:
        table = boto3.client("dynamodb")
        table.create_table(
            TableName="p-things",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        table.put_item(TableName="p-things", Item={"id": {"S": "abc"}})
        table.get_item(TableName="p-things", Key={"id": {"S": "abc"}}, ConsistentRead=True)
        sys.stdout.write("hello\n")
        return json.dumps({"status": "ok", "result": {"statusCode": 201}})

    event = {"httpMethod": "POST", "resource": "/things/{job_id}", "pathParameters": {"job_id": "job_1"}}
    with mock_aws():
        meter.measure(event, invoke)
    meter.measure({"job": {"job_id": "job_2"}}, lambda: json.dumps({"status": "error", "error": "no"}))
    first, second = _lines(tmp_path)
    _, put, get = first["calls"]
    assert put["written"] == [{"table": "p-things", "kind": "PutItem", "bytes": 5}]
    assert (get["table"], get["consistent"], get["read_bytes"]) == ("p-things", True, [5])
    assert (first["route"], first["job_id"], first["status"]) == ("POST /things/{job_id}", "job_1", 201)
    assert (first["log_lines"], first["log_bytes"], first["cold"]) == (1, 6, True)
    assert (second["job_id"], second["failed"], second["cold"], second["calls"]) == ("job_2", True, False, [])


def test_a_call_that_fails_is_counted_and_fails(meter: Meter, tmp_path: Path) -> None:
    meter.install()

    def invoke() -> str:
        with pytest.raises(boto3.client("dynamodb").exceptions.ResourceNotFoundException):
            boto3.client("dynamodb").put_item(TableName="none", Item={"id": {"S": "a"}})
        return json.dumps({"status": "ok", "result": None})

    with mock_aws():
        meter.measure({}, invoke)
    assert _lines(tmp_path)[0]["calls"][0]["error"] == "ResourceNotFoundException"


def test_a_link_counts_as_the_call_it_allows(meter: Meter, tmp_path: Path) -> None:
    meter.install()

    def invoke() -> str:
        boto3.client("s3").generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k"})
        return json.dumps({"status": "ok", "result": None})

    meter.measure({}, invoke)
    assert _lines(tmp_path)[0]["calls"] == [{"service": "s3", "operation": "PutObject", "presigned": True}]
