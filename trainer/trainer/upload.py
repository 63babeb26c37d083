"""Moves files between the pod and storage through short-lived links; every file travels with its sha256."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from trainer.config import Address
from trainer.errors import SupersededError, UploadFailedError
from trainer.webhooks import ControlPlane, RefusedError, UnavailableError

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
MAX_BACKOFF_SECONDS = 30.0
# Links last for 15 minutes from when they were asked for, and an upload must begin within them.
FRESH_LINK_SECONDS = 600.0
LINKS_AT_ONCE = 50
TRANSFER_TIMEOUT = httpx.Timeout(60.0, connect=10.0)


@dataclass(frozen=True)
class StoredFile:
    """One local file as the contract describes it (contracts/file.schema.json)."""

    path: Path
    size_bytes: int
    sha256: str
    folder: str = ""

    @property
    def name(self) -> str:
        """Its name below the place it is stored in, with the folder where it has one."""
        return f"{self.folder}/{self.path.name}" if self.folder else self.path.name

    @property
    def megabytes(self) -> str:
        """Size in MB for people."""
        return f"{self.size_bytes / 1e6:.1f}"

    def entry(self) -> dict[str, Any]:
        """Its entry in an event."""
        return {"name": self.name, "size_bytes": self.size_bytes, "sha256": self.sha256}


class TransferFailedError(Exception):
    """One try at moving a file failed; the next may work."""


class NotStoredError(Exception):
    """Storage has no such file, or what it has is not what was asked for."""


class Transfers:
    """Uploads and downloads of one attempt. Safe to use from several threads."""

    def __init__(
        self,
        plane: ControlPlane,
        address: Address,
        client: httpx.Client,
        attempts: int = 8,
        base_seconds: float = 1.0,
    ) -> None:
        self._plane = plane
        self._address = address
        self._client = client
        self._attempts = attempts
        self._base_seconds = base_seconds
        self.cancelled = threading.Event()

    def upload(
        self,
        folder: str,
        files: Sequence[StoredFile],
        deadline_seconds: float | None = None,
        attempts: int | None = None,
    ) -> None:
        """Store all files under `folder`, or raise UploadFailedError; a deadline also forbids retries."""
        started = time.monotonic()
        tries = 1 if deadline_seconds is not None else attempts or self._attempts
        links = _Links(self._links, folder, files)
        for file in files:
            action = partial(self._put, links, file, started, deadline_seconds)
            self._retrying(f"upload of {folder}/{file.path.name}", action, tries)

    def download(self, name: str, target: Path, sha256: str) -> None:
        """Fetch one file into place, checked. Raises NotStoredError when it is missing or differs,
        UploadFailedError when unreachable."""
        self._retrying(f"download of {name}", lambda: self._get(name, target, sha256), self._attempts)

    def _retrying(self, what: str, action: Callable[[], None], attempts: int) -> None:
        reason = ""
        for attempt in range(attempts):
            if self.cancelled.is_set():
                raise SupersededError(what)
            try:
                return action()
            except (TransferFailedError, UnavailableError, RefusedError, httpx.HTTPError) as error:
                reason = str(error) or type(error).__name__
                log.warning("%s failed (%d of %d): %s", what, attempt + 1, attempts, reason)
            if attempt + 1 < attempts:
                ceiling = min(MAX_BACKOFF_SECONDS, self._base_seconds * 2**attempt)
                self.cancelled.wait(random.uniform(ceiling / 2, ceiling))
        raise UploadFailedError(
            f"The {what} failed {attempts} times; the last answer was: {reason}. "
            "The newest stored checkpoint is kept. Resume the job once storage answers again.",
            cause=f"The {what} failed {attempts} times; the last answer was: {reason}",
        )

    def _links(self, uploads: list[dict[str, Any]], downloads: list[str]) -> dict[str, Any]:
        body = {
            "attempt": self._address.attempt,
            "fence": self._address.fence,
            "uploads": uploads,
            "downloads": downloads,
        }
        return self._plane.call("urls", body)

    def _put(self, links: _Links, file: StoredFile, started: float, deadline_seconds: float | None) -> None:
        timeout = TRANSFER_TIMEOUT
        if deadline_seconds is not None:
            left = deadline_seconds - (time.monotonic() - started)
            if left <= 0:
                raise TransferFailedError("no time is left")
            timeout = httpx.Timeout(left)
        link = links.take(file)
        # A length up front keeps httpx from chunked encoding, which presigned storage links refuse.
        headers = {**link["headers"], "content-length": str(file.size_bytes)}
        response = self._client.put(link["url"], content=_chunks(file.path), headers=headers, timeout=timeout)
        if response.status_code >= 300:
            raise TransferFailedError(f"storage answered {response.status_code}: {response.text[:200]}")

    def _get(self, name: str, target: Path, sha256: str) -> None:
        link = self._links([], [name])["downloads"].get(name)
        if link is None:
            raise NotStoredError(f"{name} is not in storage")
        temporary = target.with_name(target.name + ".part")
        digest = hashlib.sha256()
        with self._client.stream("GET", link, timeout=TRANSFER_TIMEOUT) as response:
            if response.status_code == 404:
                raise NotStoredError(f"{name} is not in storage")
            if response.status_code >= 300:
                raise TransferFailedError(f"storage answered {response.status_code}")
            with temporary.open("wb") as file:
                for chunk in response.iter_bytes(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
        if digest.hexdigest() != sha256:
            temporary.unlink()
            raise NotStoredError(
                f"{name} differs from what was stored: its sha256 is {digest.hexdigest()}, not {sha256}"
            )
        temporary.replace(target)


class _Links:
    """Links for the files of one folder, asked for together: each request costs the control plane money and time.

    A link that a try was made with is not given again, nor one that may have run out meanwhile.
    """

    def __init__(
        self,
        ask: Callable[[list[dict[str, Any]], list[str]], dict[str, Any]],
        folder: str,
        files: Sequence[StoredFile],
    ) -> None:
        self._ask, self._folder, self._files = ask, folder, files
        self._known: dict[str, Any] = {}
        self._asked_at = 0.0

    def take(self, file: StoredFile) -> dict[str, Any]:
        """A link for the next try at a file. UnavailableError, RefusedError or SupersededError as the call."""
        path = self._path(file)
        if path not in self._known or time.monotonic() - self._asked_at > FRESH_LINK_SECONDS:
            waiting = self._files[self._files.index(file) :][:LINKS_AT_ONCE]
            wanted = [
                {"path": self._path(each), "size_bytes": each.size_bytes, "sha256": each.sha256}
                for each in waiting
            ]
            self._asked_at = time.monotonic()
            self._known = dict(self._ask(wanted, [])["uploads"])
        link: dict[str, Any] = self._known.pop(path)
        return link

    def _path(self, file: StoredFile) -> str:
        return f"{self._folder}/{file.path.name}"


def describe(path: Path, folder: str = "") -> StoredFile:
    """Size and sha256 of a file."""
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return StoredFile(path, path.stat().st_size, digest.hexdigest(), folder)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
