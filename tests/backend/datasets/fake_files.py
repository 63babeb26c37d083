"""Object storage in memory. Passes the suite of the S3 adapter (tests/backend/adapters/test_s3_files.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.errors import NotFound, ValidationFailed


class FakeFiles:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.bytes_read = 0

    def upload_link(
        self, key: str, *, size_bytes: int | None, sha256: str | None, expires_in_seconds: int
    ) -> Mapping[str, Any]:
        return {
            "method": "PUT",
            "url": f"https://files.test/{key}?size={size_bytes}",
            "headers": {"content-type": "application/octet-stream"},
        }

    def download_link(self, key: str, *, expires_in_seconds: int, file_name: str | None = None) -> str:
        return f"https://files.test/{key}"

    def head(self, key: str) -> Mapping[str, Any] | None:
        body = self.objects.get(key)
        if body is None:
            return None
        return {
            "size_bytes": len(body),
            "sha256": None,
            "etag": hashlib.md5(body).hexdigest(),
            "last_modified": datetime(2026, 11, 22, tzinfo=UTC),
        }

    def start_multipart(self, key: str) -> str:
        upload_id = f"upload-{len(self.uploads) + 1}"
        self.uploads[upload_id] = (key, {})
        return upload_id

    def part_link(self, key: str, upload_id: str, number: int, *, expires_in_seconds: int) -> str:
        return f"https://files.test/{key}?upload={upload_id}&part={number}"

    def put_part(self, upload_id: str, number: int, body: bytes) -> str:
        """What a browser does with a part link; the etag storage answers with."""
        self.uploads[upload_id][1][number] = body
        return hashlib.md5(body).hexdigest()

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Mapping[str, Any]]) -> None:
        if upload_id not in self.uploads:
            raise NotFound(f"There is no upload {upload_id}.")
        held = self.uploads[upload_id][1]
        for part in parts:
            body = held.get(int(part["number"]))
            if body is None or hashlib.md5(body).hexdigest() != str(part["etag"]).strip('"'):
                raise ValidationFailed({"parts": ["Storage does not hold these parts."]})
        self.objects[key] = b"".join(held[int(part["number"])] for part in parts)
        del self.uploads[upload_id]

    def abort_multipart(self, key: str, upload_id: str) -> None:
        self.uploads.pop(upload_id, None)

    def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20, offset: int = 0) -> Iterator[bytes]:
        if key not in self.objects:
            raise NotFound(f"There is no file {key}.")
        body = self.objects[key]
        for start in range(offset, len(body), chunk_bytes):
            chunk = body[start : start + chunk_bytes]
            self.bytes_read += len(chunk)
            yield chunk

    def read(self, key: str, *, max_bytes: int) -> bytes:
        return b"".join(self.read_chunks(key))[:max_bytes]

    def write(self, key: str, body: bytes, content_type: str) -> None:
        self.objects[key] = body

    def copy(self, source: str, target: str) -> None:
        if source not in self.objects:
            raise NotFound(f"There is no file {source}.")
        self.objects[target] = self.objects[source]

    def list(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        return [
            {"key": key, "size_bytes": len(body), "last_modified": datetime(2026, 11, 22, tzinfo=UTC)}
            for key, body in sorted(self.objects.items())
            if key.startswith(prefix)
        ]

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    def delete_prefix(self, prefix: str) -> int:
        if not prefix.strip("/"):
            raise ValueError("A prefix is needed.")
        keys = [key for key in self.objects if key.startswith(prefix)]
        for key in keys:
            del self.objects[key]
        return len(keys)
