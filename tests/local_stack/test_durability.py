"""What was acknowledged is there after `kill -9`."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.local_stack.stand_in import StandIn, wait_until

pytestmark = pytest.mark.stack

TABLE = "jobs"
KEYS = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "n", "AttributeType": "N"},
        {"AttributeName": "status", "AttributeType": "S"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_status",
            "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in of this test alone, to be killed."""
    started = StandIn(tmp_path / "aws").start()
    yield started
    started.kill9()


def _restart(server: StandIn) -> None:
    server.kill9()
    server.start()


def _item(name: str, number: int, **more: Any) -> dict[str, Any]:
    return {"id": {"S": name}, "n": {"N": str(number)}, **more}


def _key(name: str, number: int) -> dict[str, Any]:
    return _item(name, number)


def _table(server: StandIn, name: str = TABLE) -> Any:
    dynamodb = server.client("dynamodb")
    dynamodb.create_table(TableName=name, **KEYS)
    return dynamodb


def _items(server: StandIn, name: str = TABLE) -> dict[tuple[str, int], dict[str, Any]]:
    pages = server.client("dynamodb").get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    return {(i["id"]["S"], int(i["n"]["N"])): i for page in pages for i in page["Items"]}


def test_every_kind_of_item_write_survives_a_kill(server: StandIn) -> None:
    dynamodb = _table(server)
    dynamodb.put_item(TableName=TABLE, Item=_item("put", 1, status={"S": "queued"}))
    dynamodb.put_item(TableName=TABLE, Item=_item("deleted", 1))
    dynamodb.delete_item(TableName=TABLE, Key=_key("deleted", 1))
    for _ in range(3):
        dynamodb.update_item(
            TableName=TABLE,
            Key=_key("updated", 1),
            UpdateExpression="ADD amount :one SET payload = :blob",
            ExpressionAttributeValues={":one": {"N": "1"}, ":blob": {"B": b"\x00\xff"}},
        )
    dynamodb.batch_write_item(
        RequestItems={TABLE: [{"PutRequest": {"Item": _item("batch", n)}} for n in range(25)]}
    )
    dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": TABLE, "Item": _item("transaction", 1)}},
            {"Delete": {"TableName": TABLE, "Key": _key("batch", 3)}},
        ]
    )
    before = _items(server)
    _restart(server)
    after = _items(server)
    assert after == before
    assert after[("updated", 1)]["amount"] == {"N": "3"}
    assert after[("updated", 1)]["payload"] == {"B": b"\x00\xff"}
    assert ("deleted", 1) not in after
    assert ("batch", 3) not in after
    queried = dynamodb.query(
        TableName=TABLE,
        IndexName="by_status",
        KeyConditionExpression="#s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "queued"}},
    )
    assert [item["id"]["S"] for item in queried["Items"]] == ["put"]
    assert dynamodb.describe_table(TableName=TABLE)["Table"]["ItemCount"] == len(before)


def test_stock_loses_an_acknowledged_item_on_a_kill(tmp_path: Path) -> None:
    server = StandIn(tmp_path / "aws", corrected=False).start()
    try:
        dynamodb = _table(server)
        dynamodb.put_item(TableName=TABLE, Item=_item("put", 1))
        _restart(server)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            _items(server)
    finally:
        server.kill9()


class _Writer(threading.Thread):
    """Writes numbered pairs in transactions until the server is gone; remembers what was acknowledged."""

    def __init__(self, server: StandIn, name: str) -> None:
        super().__init__(daemon=True)
        self._dynamodb = server.client("dynamodb")
        self._writes_as = name
        self.acknowledged = 0

    def run(self) -> None:
        try:
            while True:
                number = self.acknowledged + 1
                puts = [
                    {"Put": {"TableName": TABLE, "Item": _item(f"{self._writes_as}-{half}", number)}}
                    for half in ("left", "right")
                ]
                self._dynamodb.transact_write_items(TransactItems=puts)
                self.acknowledged = number
        except (BotoCoreError, ClientError):
            return


def test_a_kill_amid_writes_loses_nothing_acknowledged_and_tears_no_transaction(server: StandIn) -> None:
    _table(server)
    writers = [_Writer(server, f"writer{n}") for n in range(4)]
    for writer in writers:
        writer.start()
    wait_until(lambda: all(writer.acknowledged >= 40 for writer in writers), "forty writes of each")
    server.kill9()
    for writer in writers:
        writer.join()
    server.start()
    present = set(_items(server))
    for number, writer in enumerate(writers):
        left = {n for name, n in present if name == f"writer{number}-left"}
        right = {n for name, n in present if name == f"writer{number}-right"}
        assert left == right
        assert left >= set(range(1, writer.acknowledged + 1))


def test_a_table_made_anew_does_not_inherit_the_items_of_the_old_one(server: StandIn) -> None:
    dynamodb = _table(server)
    dynamodb.put_item(TableName=TABLE, Item=_item("old", 1))
    dynamodb.delete_table(TableName=TABLE)
    _table(server)
    dynamodb.put_item(TableName=TABLE, Item=_item("new", 1))
    _restart(server)
    assert set(_items(server)) == {("new", 1)}


def test_an_orderly_stop_keeps_the_items_too(server: StandIn) -> None:
    dynamodb = _table(server)
    dynamodb.put_item(TableName=TABLE, Item=_item("put", 1))
    server.stop()
    server.start()
    assert set(_items(server)) == {("put", 1)}


def test_saving_a_table_does_not_rewrite_its_items(server: StandIn) -> None:
    dynamodb = _table(server)
    for n in range(200):
        dynamodb.put_item(TableName=TABLE, Item=_item("put", n, text={"S": "x" * 1000}))
    server.stop()
    with sqlite3.connect(server.folder / "state.sqlite") as store:
        (saved,) = store.execute(
            "SELECT value FROM documents WHERE kind='service' AND key='dynamodb'"
        ).fetchone()
        (items,) = store.execute("SELECT count(*) FROM documents WHERE kind LIKE 'item:%'").fetchone()
    store.close()
    assert items == 200
    assert len(saved) < 20_000


def test_objects_survive_a_kill_with_their_description(server: StandIn) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="files")
    for number in range(10):
        s3.put_object(
            Bucket="files",
            Key=f"jobs/a b/{number}.bin",
            Body=bytes([number]) * 1000,
            ContentType="application/x-checkpoint",
            Metadata={"step": str(number)},
        )
    s3.put_object(Bucket="files", Key="jobs/a b/0.bin", Body=b"second", ContentType="text/plain")
    s3.delete_object(Bucket="files", Key="jobs/a b/1.bin")
    upload = s3.create_multipart_upload(Bucket="files", Key="large")["UploadId"]
    part = s3.upload_part(Bucket="files", Key="large", UploadId=upload, PartNumber=1, Body=b"x" * 6_000_000)
    s3.complete_multipart_upload(
        Bucket="files",
        Key="large",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    before = {o["Key"]: (o["Size"], o["ETag"]) for o in s3.list_objects_v2(Bucket="files")["Contents"]}
    _restart(server)
    assert {
        o["Key"]: (o["Size"], o["ETag"]) for o in s3.list_objects_v2(Bucket="files")["Contents"]
    } == before
    replaced = s3.get_object(Bucket="files", Key="jobs/a b/0.bin")
    assert (replaced["Body"].read(), replaced["ContentType"]) == (b"second", "text/plain")
    assert s3.head_object(Bucket="files", Key="jobs/a b/9.bin")["Metadata"] == {"step": "9"}
    assert s3.get_object(Bucket="files", Key="large")["Body"].read() == b"x" * 6_000_000


def test_users_parameters_secrets_and_topics_survive_a_kill(server: StandIn) -> None:
    server.client("ssm").put_parameter(Name="/key", Value="hidden", Type="SecureString")
    server.client("secretsmanager").create_secret(Name="secret", SecretString="hidden too")
    topic = server.client("sns").create_topic(Name="alerts")["TopicArn"]
    cognito = server.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    app = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="site", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    cognito.admin_create_user(UserPoolId=pool, Username="a@example.com", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(
        UserPoolId=pool, Username="a@example.com", Password="Aa1!aaaaaa", Permanent=True
    )
    _restart(server)
    ssm = server.client("ssm")
    assert ssm.get_parameter(Name="/key", WithDecryption=True)["Parameter"]["Value"] == "hidden"
    assert server.client("secretsmanager").get_secret_value(SecretId="secret")["SecretString"] == "hidden too"
    assert [t["TopicArn"] for t in server.client("sns").list_topics()["Topics"]] == [topic]
    signed_in = cognito.initiate_auth(
        ClientId=app,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "a@example.com", "PASSWORD": "Aa1!aaaaaa"},
    )
    assert signed_in["AuthenticationResult"]["AccessToken"]


def _saved(server: StandIn, name: str) -> str:
    with sqlite3.connect(f"file:{server.folder}/state.sqlite?mode=ro", uri=True) as store:
        row = store.execute("SELECT value FROM documents WHERE kind='service' AND key=?", (name,)).fetchone()
    store.close()
    return row[0] if row else ""


def test_functions_and_mail_are_saved_within_seconds(server: StandIn) -> None:
    server.function("worker", "def handler(event, context):\n    return 'still here'\n")
    ses = server.client("sesv2")
    ses.create_email_identity(EmailIdentity="from@example.com")
    ses.send_email(
        FromEmailAddress="from@example.com",
        Destination={"ToAddresses": ["to@example.com"]},
        Content={"Simple": {"Subject": {"Data": "The link"}, "Body": {"Text": {"Data": "here"}}}},
    )
    wait_until(
        lambda: "The link" in _saved(server, "ses") and "worker" in _saved(server, "lambda"), "both saved"
    )
    _restart(server)
    assert server.invoke("worker") == ("still here", None)
    mails = wait_until(lambda: _mails(server), "the mails are readable")
    assert "The link" in json.dumps(mails)


def _mails(server: StandIn) -> Any:
    with urllib.request.urlopen(f"{server.url}/_ministack/ses/messages", timeout=5) as reply:
        return json.load(reply)
