"""The port of object storage; `ports.py` names it with all the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class Files(Protocol):
    """Object storage. Keys are full keys; links are presigned."""

    def upload_link(
        self, key: str, *, size_bytes: int | None, sha256: str | None, expires_in_seconds: int
    ) -> Mapping[str, Any]:
        """{method, url, headers}: the headers must be sent exactly so."""
        ...

    def download_link(self, key: str, *, expires_in_seconds: int, file_name: str | None = None) -> str: ...

    def head(self, key: str) -> Mapping[str, Any] | None:
        """{size_bytes, sha256 or None, etag, last_modified}; None when absent."""
        ...

    def start_multipart(self, key: str) -> str: ...

    def part_link(self, key: str, upload_id: str, number: int, *, expires_in_seconds: int) -> str: ...

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Mapping[str, Any]]) -> None: ...

    def abort_multipart(self, key: str, upload_id: str) -> None: ...

    def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20, offset: int = 0) -> Iterator[bytes]:
        """The object as a stream; never whole in memory."""
        ...

    def read(self, key: str, *, max_bytes: int) -> bytes: ...

    def write(self, key: str, body: bytes, content_type: str) -> None: ...

    def copy(self, source: str, target: str) -> None:
        """Within storage, of any size; what was there is replaced. NotFound without the source."""
        ...

    def list(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        """[{key, size_bytes, last_modified}]"""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Also right for objects that are gone already."""
        ...

    def delete_prefix(self, prefix: str) -> int: ...
