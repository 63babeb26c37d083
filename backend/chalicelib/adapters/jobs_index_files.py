"""Base files of the jobs list in object storage: what a cold start begins with."""

from __future__ import annotations

import hashlib
import logging
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from chalicelib.adapters.jobs_index_sql import FORMAT
from chalicelib.domain.errors import AppError
from chalicelib.ports import Files

FOLDER = "read-models/"
KEPT_FILES = 3
_SUFFIX = ".sqlite"
_logger = logging.getLogger(__name__)


def fingerprint(row_of: Callable[..., Any]) -> str:
    """Changes with the tables' format and with the code that makes rows, so that a deployment with another
    shape of rows never shows old ones."""
    module = sys.modules[row_of.__module__].__file__
    sources = sorted(Path(__file__).parents[1].glob("views*.py")) + ([Path(module)] if module else [])
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return f"{FORMAT}-{digest.hexdigest()[:12]}"


class BaseFiles:
    def __init__(self, files: Files, fingerprint: str) -> None:
        self._files = files
        self._prefix = f"{FOLDER}jobs-{fingerprint}-"

    def fetch_newest(self, path: Path) -> apsw.Connection | None:
        """The newest whole base file, opened; None when there is none. A broken one is passed over."""
        for key in sorted(self._keys(), reverse=True)[:KEPT_FILES]:
            opened = self._fetch(key, path)
            if opened is not None:
                return opened
        return None

    def _fetch(self, key: str, path: Path) -> apsw.Connection | None:
        try:
            checksum = 0
            with path.open("wb") as target:
                for chunk in self._files.read_chunks(key):
                    checksum = zlib.crc32(chunk, checksum)
                    target.write(chunk)
            if not key.endswith(_ending(checksum)):
                raise OSError("its bytes are not those that were written")
            connection = apsw.Connection(str(path))
            # A cache that can be made again at any time needs no care for power cuts.
            connection.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").fetchall()
            if _is_whole(connection):
                return connection
            connection.close()
        except (AppError, OSError, apsw.Error) as error:
            _logger.warning("the jobs list's base file %s cannot be used: %s", key, error)
        path.unlink(missing_ok=True)
        return None

    def store(self, path: Path, now: datetime) -> str:
        """Writes a new base file and prunes old ones; returns its key."""
        body = path.read_bytes()
        key = f"{self._prefix}{now.astimezone(UTC):%Y%m%dT%H%M%S%f}Z{_ending(zlib.crc32(body))}"
        self._files.write(key, body, "application/vnd.sqlite3")
        kept = sorted(self._keys(), reverse=True)[:KEPT_FILES]
        for each in self._files.list(f"{FOLDER}jobs-"):
            if each["key"] not in kept and not self._may_be_in_use(each, now):
                self._files.delete_prefix(each["key"])
        return key

    def _may_be_in_use(self, each: Any, now: datetime) -> bool:
        """Files of another version of the code serve its Lambdas until a deployment is through."""
        if str(each["key"]).startswith(self._prefix):
            return False
        last_modified = each["last_modified"]
        return isinstance(last_modified, datetime) and (now - last_modified).total_seconds() < 24 * 3600

    def _keys(self) -> list[str]:
        listed = self._files.list(self._prefix)
        return [str(each["key"]) for each in listed if str(each["key"]).endswith(_SUFFIX)]


def _ending(checksum: int) -> str:
    """In the file's name, since having SQLite look through the whole file takes as long as everything else of a cold start."""
    return f"-{checksum:08x}{_SUFFIX}"


def _is_whole(connection: apsw.Connection) -> bool:
    return connection.execute("SELECT value FROM facts WHERE name = 'full_at'").fetchone() is not None
