"""Unzips each Lambda package once, by its hash, into a folder that all workers of that package share."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import zipfile
from io import BytesIO
from pathlib import Path

EXECUTABLE_BITS = 0o777
UNIX_MODE_SHIFT = 16


class CodeFolders:
    """Folders named by the SHA-256 of a package, below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        # Hashing 20 MB for every start of a worker would cost more than the start: the bytes object is held
        # by ministack for as long as the function exists, so its identity stands for its content.
        self._digests: dict[int, tuple[bytes, str]] = {}
        self._packages: dict[str, bytes] = {}

    def digest(self, package: bytes) -> str:
        """SHA-256 of a package in hexadecimal, computed once per object."""
        known = self._digests.get(id(package))
        if known is None or known[0] is not package:
            known = (package, hashlib.sha256(package).hexdigest())
            self._digests[id(package)] = known
        return known[1]

    def shared(self, package: bytes) -> bytes:
        """The one object kept for these bytes, so that twelve functions of one package hold it once."""
        digest = hashlib.sha256(package).hexdigest()
        kept = self._packages.setdefault(digest, package)
        self._digests[id(kept)] = (kept, digest)
        return kept

    def folder(self, package: bytes) -> Path:
        """The folder of the unzipped package, made on first use. Raises BadZipFile."""
        target = self._root / self.digest(package)
        with self._lock:
            if not target.is_dir():
                self._unzip(package, target)
        return target

    def keep_only(self, packages: list[bytes]) -> None:
        """Remove the folders of packages no longer deployed, and what an interrupted unzip left behind."""
        wanted = {self.digest(package) for package in packages}
        for entry in self._root.glob("*"):
            if entry.name not in wanted:
                shutil.rmtree(entry, ignore_errors=True)

    def _unzip(self, package: bytes, target: Path) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix="unzipping-", dir=self._root))
        with zipfile.ZipFile(BytesIO(package)) as archive:
            archive.extractall(partial)
            for entry in archive.infolist():
                mode = (entry.external_attr >> UNIX_MODE_SHIFT) & EXECUTABLE_BITS
                if mode and not entry.is_dir():
                    (partial / entry.filename).chmod(mode | 0o600)
        partial.chmod(0o755)
        os.rename(partial, target)
