"""Correction: an acknowledged S3 object survives a kill whole, and a failed write is not acknowledged.

Stock ministack writes the data and its description one after the other without syncing either, answers
200 when the disk refused the data, and takes the remains of an interrupted write for an object at the
next start.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ministack_launcher.patching import require

PATCH = "durable objects"
EXPECTED = {
    "_atomic_write": "24958052a85fea7c",
    "_persist_object": "cb32b6ae8706bef8",
    "_load_persisted_bucket": "7e84b6f2596ed33b",
}
UNFINISHED = ".writing-by-ministack-launcher"
DESCRIPTION = ".meta.json"
CHUNK_BYTES = 1 << 20


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_write(path: str, data: bytes | str, **_mode: bool) -> None:
    """Write a file so that after a kill or a power cut it has either its old content or its new, synced."""
    unfinished = path + UNFINISHED
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    _sync_folder(Path(path).parent)


def _etag(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return f'"{digest.hexdigest()}"'


def repair(root: Path) -> None:
    """Remove unfinished writes, and make descriptions older than their data agree with it.

    Data is written before its description: a kill between the two leaves new data under an old one.
    """
    for unfinished in root.rglob(f"*{UNFINISHED}"):
        unfinished.unlink(missing_ok=True)
    for description in root.rglob(f"*{DESCRIPTION}"):
        data = description.with_name(description.name[: -len(DESCRIPTION)])
        if data.is_file() and data.stat().st_mtime_ns > description.stat().st_mtime_ns:
            facts = json.loads(description.read_text())
            facts.update(size=data.stat().st_size, etag=_etag(data), checksums={})
            atomic_write(str(description), json.dumps(facts))


def apply(s3: Any) -> None:
    """Correct `ministack.services.s3`."""
    require(PATCH, s3, EXPECTED)
    persist_stock = s3._persist_object
    s3._atomic_write = atomic_write

    def persist_object(bucket: str, key: str, obj: Any) -> None:
        persist_stock(bucket, key, obj)
        # Stock code logs a failure and goes on; it drops the body from memory only after the write succeeded.
        if isinstance(obj, dict) and obj.get("body") is not None:
            raise OSError(f"The object {bucket}/{key} could not be written to disk; see the log above.")

    s3._persist_object = persist_object
