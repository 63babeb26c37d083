from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from chalicelib.adapters.s3_files import S3Files
from chalicelib.domain.errors import NotFound, StorageUnavailable, ValidationFailed
from moto import mock_aws

from tests.backend.datasets.fake_files import FakeFiles

KEY = "datasets/ds_1/source.jsonl"
PART = b"x" * (5 * 1024 * 1024)


@pytest.fixture
def s3_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Files]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield S3Files("files")
        client.close()


@pytest.fixture(params=["s3", "fake"])
def files(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("s3_files") if request.param == "s3" else FakeFiles()


def upload_parts(files: Any, key: str, upload_id: str) -> list[dict[str, Any]]:
    bodies = {1: PART, 2: b"end"}
    if isinstance(files, FakeFiles):
        return [{"number": n, "etag": files.put_part(upload_id, n, body)} for n, body in bodies.items()]
    client = boto3.client("s3")
    replies = [
        (n, client.upload_part(Bucket="files", Key=key, UploadId=upload_id, PartNumber=n, Body=body))
        for n, body in bodies.items()
    ]
    return [{"number": n, "etag": reply["ETag"]} for n, reply in replies]


def test_what_is_written_is_read_back_whole_in_chunks_and_from_an_offset(files: Any) -> None:
    body = bytes(range(256)) * 50
    files.write(KEY, body, "text/plain")
    assert b"".join(files.read_chunks(KEY, chunk_bytes=1000)) == body
    assert max(len(chunk) for chunk in files.read_chunks(KEY, chunk_bytes=1000)) <= 1000
    assert b"".join(files.read_chunks(KEY, offset=12_000)) == body[12_000:]
    assert b"".join(files.read_chunks(KEY, offset=len(body))) == b""
    assert files.read(KEY, max_bytes=10) == body[:10]
    assert files.read(KEY, max_bytes=10**9) == body


def test_head_tells_size_and_etag_and_none_for_an_absent_file(files: Any) -> None:
    assert files.head(KEY) is None
    files.write(KEY, b"12345", "text/plain")
    first = files.head(KEY)
    assert first["size_bytes"] == 5
    files.write(KEY, b"54321", "text/plain")
    assert files.head(KEY)["etag"] != first["etag"]


def test_a_copy_is_a_file_of_its_own(files: Any) -> None:
    files.write(KEY, b"first", "text/plain")
    files.copy(KEY, "jobs/job_2/copy")
    files.write(KEY, b"second", "text/plain")
    assert files.read("jobs/job_2/copy", max_bytes=10) == b"first"
    files.copy(KEY, "jobs/job_2/copy")
    assert files.read("jobs/job_2/copy", max_bytes=10) == b"second"
    with pytest.raises(NotFound):
        files.copy("jobs/none", "jobs/job_2/other")


def test_an_absent_file_cannot_be_read(files: Any) -> None:
    with pytest.raises(NotFound):
        list(files.read_chunks(KEY))


def test_a_multipart_upload_becomes_one_file_whatever_the_order_parts_are_named_in(files: Any) -> None:
    upload_id = files.start_multipart(KEY)
    parts = upload_parts(files, KEY, upload_id)
    files.complete_multipart(KEY, upload_id, parts)
    assert files.head(KEY)["size_bytes"] == len(PART) + 3
    assert files.head(KEY)["sha256"] is None


def test_parts_that_storage_does_not_hold_are_refused(files: Any) -> None:
    upload_id = files.start_multipart(KEY)
    parts = upload_parts(files, KEY, upload_id)
    with pytest.raises(ValidationFailed):
        files.complete_multipart(KEY, upload_id, [*parts[:1], {"number": 2, "etag": "0" * 32}])
    assert files.head(KEY) is None


def test_aborting_twice_is_the_same_as_once(files: Any) -> None:
    upload_id = files.start_multipart(KEY)
    files.abort_multipart(KEY, upload_id)
    files.abort_multipart(KEY, upload_id)
    assert files.head(KEY) is None


class RefusingClient:
    """A client whose every call is refused with one code."""

    def __init__(self, code: str) -> None:
        self._code = code

    def complete_multipart_upload(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self._code, "Message": ""}}, "CompleteMultipartUpload")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NoSuchUpload", NotFound),
        ("InvalidPart", ValidationFailed),
        ("InvalidPartOrder", ValidationFailed),
        ("EntityTooSmall", ValidationFailed),
        ("SlowDown", StorageUnavailable),
        ("AccessDenied", StorageUnavailable),
    ],
)
def test_refusals_of_storage_become_errors_callers_know(code: str, kind: type[Exception]) -> None:
    refusing: Any = RefusingClient(code)
    with pytest.raises(kind):
        S3Files("files", refusing).complete_multipart(KEY, "u1", [{"number": 1, "etag": "e"}])


def test_listing_and_deleting_stay_inside_the_prefix(files: Any) -> None:
    for key in ("a/1", "a/2", "ab/1"):
        files.write(key, b"x", "text/plain")
    assert [item["key"] for item in files.list("a/")] == ["a/1", "a/2"]
    assert files.delete_prefix("a/") == 2
    assert files.delete_prefix("a/") == 0
    assert [item["key"] for item in files.list("")] == ["ab/1"]


def test_deleting_by_name_takes_those_files_alone_and_forgives_absent_ones(files: Any) -> None:
    for key in ("a/1", "a/2", "a/3"):
        files.write(key, b"x", "text/plain")
    files.delete(["a/1", "a/3", "a/never"])
    files.delete(["a/1"])
    files.delete([])
    assert [item["key"] for item in files.list("")] == ["a/2"]


@pytest.mark.parametrize("prefix", ["", "/"])
def test_deleting_everything_is_refused(files: Any, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        files.delete_prefix(prefix)


def test_more_files_than_one_request_takes_are_deleted(s3_files: S3Files) -> None:
    for number in range(1003):
        s3_files.write(f"many/{number}", b"", "text/plain")
    assert s3_files.delete_prefix("many/") == 1003
    assert s3_files.list("many/") == []


def test_an_upload_link_signs_size_type_and_digest(s3_files: S3Files) -> None:
    digest = hashlib.sha256(b"12345")
    link = s3_files.upload_link(KEY, size_bytes=5, sha256=digest.hexdigest(), expires_in_seconds=60)
    query = parse_qs(urlsplit(link["url"]).query)
    signed = query["X-Amz-SignedHeaders"][0].split(";")
    assert {"content-length", "content-type", "host"} <= set(signed)
    assert query["X-Amz-Expires"] == ["60"]
    assert link["method"] == "PUT"
    wanted = base64.b64encode(digest.digest()).decode()
    assert link["headers"] == {"content-type": "application/octet-stream", "x-amz-checksum-sha256": wanted}
    assert "x-amz-checksum-sha256" in signed or query["x-amz-checksum-sha256"] == [wanted]
    plain = s3_files.upload_link(KEY, size_bytes=5, sha256=None, expires_in_seconds=60)
    assert "checksum" not in plain["url"].lower()


def test_the_stored_digest_is_told_in_hex(s3_files: S3Files) -> None:
    digest = hashlib.sha256(b"12345")
    wanted = base64.b64encode(digest.digest()).decode()
    boto3.client("s3").put_object(
        Bucket="files", Key=KEY, Body=b"12345", ChecksumAlgorithm="SHA256", ChecksumSHA256=wanted
    )
    stored = s3_files.head(KEY)
    assert stored is not None
    assert stored["sha256"] == digest.hexdigest()


def test_a_download_link_offers_a_harmless_file_name(s3_files: S3Files) -> None:
    link = s3_files.download_link(KEY, expires_in_seconds=60, file_name='a"\r\nb\\ü.jsonl')
    assert parse_qs(urlsplit(link)[3])["response-content-disposition"] == ['attachment; filename="ab.jsonl"']


def test_a_part_link_names_upload_and_part(s3_files: S3Files) -> None:
    query = parse_qs(urlsplit(s3_files.part_link(KEY, "u1", 7, expires_in_seconds=60)).query)
    assert (query["uploadId"], query["partNumber"]) == (["u1"], ["7"])


class BreakingBody:
    """A body that breaks off once, as a reset connection does."""

    def __init__(self, body: Any, after_bytes: int) -> None:
        self._body = body
        self._left = after_bytes

    def __enter__(self) -> BreakingBody:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()

    def read(self, size: int) -> bytes:
        if self._left <= 0:
            raise ConnectionResetError("reset")
        taken: bytes = self._body.read(min(size, self._left))
        self._left -= len(taken)
        return taken


class BreakingClient:
    """The real client whose reads break off `times` times; `on_break` runs after the first answer."""

    def __init__(self, client: Any, times: int, on_break: Any = None) -> None:
        self._client = client
        self._times = times
        self._on_break = on_break

    def get_object(self, **wanted: Any) -> Any:
        reply = self._client.get_object(**wanted)
        if self._times:
            self._times -= 1
            reply["Body"] = BreakingBody(reply["Body"], 1000)
            if self._on_break is not None:
                self._on_break()
        return reply


def test_a_broken_connection_goes_on_where_it_stopped(s3_files: S3Files) -> None:
    body = bytes(range(256)) * 50
    s3_files.write(KEY, body, "text/plain")
    breaking: Any = BreakingClient(boto3.client("s3"), times=3)
    assert b"".join(S3Files("files", breaking).read_chunks(KEY, chunk_bytes=700)) == body


def test_a_connection_that_keeps_breaking_is_reported(s3_files: S3Files) -> None:
    s3_files.write(KEY, b"x" * 50_000, "text/plain")
    breaking: Any = BreakingClient(boto3.client("s3"), times=99)
    with pytest.raises(StorageUnavailable, match="broke off"):
        list(S3Files("files", breaking).read_chunks(KEY))


def test_a_file_replaced_while_it_is_read_is_never_mixed(s3_files: S3Files) -> None:
    s3_files.write(KEY, b"a" * 50_000, "text/plain")
    breaking: Any = BreakingClient(
        boto3.client("s3"), 1, on_break=lambda: s3_files.write(KEY, b"b" * 50_000, "text/plain")
    )
    with pytest.raises(StorageUnavailable, match="replaced"):
        list(S3Files("files", breaking).read_chunks(KEY))
