"""Object storage on S3: presigned links, multipart uploads, and streams that survive a broken connection."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from chalicelib.domain.errors import NotFound, StorageUnavailable, ValidationFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENT_TYPE = "application/octet-stream"
MAX_BROKEN_READS = 5
DELETE_BATCH = 1000  # most keys S3 takes in one delete request
ABSENT = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}
WRONG_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}


class S3Files:
    """`ports.Files` over one bucket."""

    def __init__(self, bucket: str, client: S3Client | None = None) -> None:
        # Checksums only where asked for: a presigned link must not demand one the browser does not send.
        self._client: S3Client = client or boto3.client(
            "s3",
            config=Config(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"max_attempts": 4, "mode": "standard"},
            ),
        )
        self._bucket = bucket

    def upload_link(
        self, key: str, *, size_bytes: int | None, sha256: str | None, expires_in_seconds: int
    ) -> Mapping[str, Any]:
        """The length is signed: storage refuses another size. HTTP clients set that header themselves."""
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Key": key, "ContentType": CONTENT_TYPE}
        headers = {"content-type": CONTENT_TYPE}
        if size_bytes is not None:
            wanted["ContentLength"] = size_bytes
        if sha256 is not None:
            wanted["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = _base64_of_hex(sha256)
        url = self._presigned("put_object", wanted, expires_in_seconds)
        return {"method": "PUT", "url": url, "headers": headers}

    def download_link(self, key: str, *, expires_in_seconds: int, file_name: str | None = None) -> str:
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        if file_name is not None:
            safe = "".join(letter for letter in file_name if letter.isascii() and letter.isprintable())
            safe = safe.replace('"', "").replace("\\", "")
            wanted["ResponseContentDisposition"] = f'attachment; filename="{safe or "download"}"'
        return self._presigned("get_object", wanted, expires_in_seconds)

    def head(self, key: str) -> Mapping[str, Any] | None:
        try:
            with _translated(key):
                reply = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except NotFound:
            return None
        return {
            "size_bytes": reply["ContentLength"],
            "sha256": _hex_of_base64(reply.get("ChecksumSHA256")),
            "etag": reply["ETag"].strip('"'),
            "last_modified": reply["LastModified"],
        }

    def start_multipart(self, key: str) -> str:
        with _translated(key):
            reply = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=CONTENT_TYPE
            )
        return reply["UploadId"]

    def part_link(self, key: str, upload_id: str, number: int, *, expires_in_seconds: int) -> str:
        wanted = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._presigned("upload_part", wanted, expires_in_seconds)

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Mapping[str, Any]]) -> None:
        """parts: [{number, etag}]. ValidationFailed: storage holds others. NotFound: it is over."""
        listed = [
            {"PartNumber": int(part["number"]), "ETag": str(part["etag"])}
            for part in sorted(parts, key=lambda part: int(part["number"]))
        ]
        with _translated(key):
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
            )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Also right for an upload that is over already."""
        try:
            with _translated(key):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except NotFound:
            return

    def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20, offset: int = 0) -> Iterator[bytes]:
        """The object from `offset` on. A broken connection goes on where it stopped, in the same object."""
        position, etag, broken = offset, None, 0
        while True:
            try:
                body, etag = self._open(key, position, etag)
                if body is None:
                    return
                with body:
                    while chunk := body.read(chunk_bytes):
                        position += len(chunk)
                        yield chunk
                return
            except (BotoCoreError, HTTPError, OSError) as error:
                broken += 1
                if broken > MAX_BROKEN_READS:
                    raise StorageUnavailable(
                        f"Reading {key} broke off {broken} times. Try again later."
                    ) from error

    def read(self, key: str, *, max_bytes: int) -> bytes:
        """At most the first max_bytes."""
        taken = bytearray()
        for chunk in self.read_chunks(key, chunk_bytes=min(max(max_bytes, 1), 1 << 20)):
            taken += chunk
            if len(taken) >= max_bytes:
                break
        return bytes(taken[:max_bytes])

    def write(self, key: str, body: bytes, content_type: str) -> None:
        with _translated(key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def copy(self, source: str, target: str) -> None:
        """Storage does it; above 5 GB in parts."""
        with _translated(source):
            self._client.copy({"Bucket": self._bucket, "Key": source}, self._bucket, target)

    def list(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        with _translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [
                {"key": item["Key"], "size_bytes": item["Size"], "last_modified": item["LastModified"]}
                for page in pages
                for item in page.get("Contents", [])
            ]

    def delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), DELETE_BATCH):
            batch = keys[start : start + DELETE_BATCH]
            with _translated(batch[0]):
                reply = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            if refused := reply.get("Errors"):
                raise StorageUnavailable(
                    f"{len(refused)} files, {batch[0]} among them, could not be deleted."
                )

    def delete_prefix(self, prefix: str) -> int:
        """How many objects went. ValueError for an empty prefix: that would be the whole bucket."""
        if not prefix.strip("/"):
            raise ValueError("A prefix is needed; an empty one would delete everything.")
        keys = [str(item["key"]) for item in self.list(prefix)]
        self.delete(keys)
        return len(keys)

    def _open(self, key: str, position: int, etag: str | None) -> tuple[Any, str | None]:
        """The body from a position on, None past the end. A changed object is an error, not a mixture."""
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        if position:
            wanted["Range"] = f"bytes={position}-"
        if etag is not None:
            wanted["IfMatch"] = etag
        try:
            with _translated(key):
                reply = self._client.get_object(**wanted)
        except PastTheEndError:
            return None, etag
        return reply["Body"], reply["ETag"]

    def _presigned(self, operation: str, wanted: Mapping[str, Any], expires_in_seconds: int) -> str:
        with _translated(str(wanted["Key"])):
            return self._client.generate_presigned_url(
                operation, Params=dict(wanted), ExpiresIn=expires_in_seconds
            )


class PastTheEndError(Exception):
    """Storage refused a range that begins after the last byte."""


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    """Vendor errors as ours. Broken connections while reading are handled by the reader itself."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise NotFound(f"There is no file {subject}.") from error
        if code in WRONG_PARTS:
            raise ValidationFailed(
                {
                    "parts": [
                        "Storage does not hold these parts. Upload the missing ones, then complete again."
                    ]
                }
            ) from error
        if code == "InvalidRange":
            raise PastTheEndError from error
        if code == "PreconditionFailed":
            raise StorageUnavailable(f"{subject} was replaced while it was read. Try again.") from error
        raise StorageUnavailable(f"Storage refused {subject}: {code}. Try again later.") from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"Storage cannot be reached for {subject}. Try again later.") from error


def _base64_of_hex(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode("ascii")


def _hex_of_base64(digest: str | None) -> str | None:
    """None without a checksum, and for the composite one of a multipart upload (`...-3`): no file digest."""
    try:
        return base64.b64decode(digest, validate=True).hex() if digest else None
    except binascii.Error:
        return None
