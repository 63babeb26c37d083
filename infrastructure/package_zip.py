"""The zip of the functions: slimmed dependencies for the Lambda platform plus the application, reproducibly."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from infrastructure.package_templates import PackagingError

# The python3.11 runtime is Amazon Linux 2: glibc 2.26. pip takes each platform literally, newest first.
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(26, 16, -1)), "manylinux2014_x86_64")
PYTHON = "3.11"

# The AWS services that the functions call; botocore carries definitions of four hundred.
SERVICES = ("cognito-idp", "dynamodb", "s3", "sesv2", "sns", "ssm", "stepfunctions", "sts")
SERVICE_DATA = ("botocore/data/", "boto3/data/")

UNUSED_PREFIXES = (
    "apsw/fts_test_strings",
    "apsw/sqlite_extra_binaries/",
    "apsw/tests/",
    "bin/",
    "boto3/examples/",
)
UNUSED_PARTS = ("__pycache__", "tests", "test")
UNUSED_SUFFIXES = (".pyi", ".pyc", ".c", ".h", ".typed")
# A zip entry needs a time; this is the oldest one that the format knows.
ENTRY_TIME = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o644 << 16
MAX_ZIP_BYTES = 25_000_000


def install_dependencies(requirements: Path, target: Path) -> None:
    """Install the pinned wheels into `target`, once per content of the requirements file.

    PackagingError carries pip's own words, for instance that a version has no wheel for the platform.
    """
    wanted = hashlib.sha256(requirements.read_bytes() + repr(PLATFORMS).encode()).hexdigest()
    mark = target / ".installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON]
    command += [part for platform in PLATFORMS for part in ("--platform", platform)]
    command += ["--target", str(target), "--requirement", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PackagingError(f"{requirements} cannot be installed for Lambda:\n{result.stderr.strip()}")
    mark.write_text(wanted)


def is_needed(name: str) -> bool:
    """Whether a file of the dependencies, by its path inside the package, is needed at run time."""
    if name.startswith(UNUSED_PREFIXES) or name.endswith(UNUSED_SUFFIXES):
        return False
    parts = name.split("/")
    if any(part in UNUSED_PARTS for part in parts[:-1]):
        return False
    if ".dist-info" in parts[0]:
        return parts[-1] == "METADATA"
    for prefix in SERVICE_DATA:
        if name.startswith(prefix) and "/" in name.removeprefix(prefix):
            return name.removeprefix(prefix).split("/")[0] in SERVICES
    return not parts[-1].startswith(".")


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(path inside the package, content) of each needed file."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            inside = path.relative_to(folder).as_posix()
            if is_needed(inside):
                yield inside, path.read_bytes()


def application_of(chalice_zip: Path) -> Iterator[tuple[str, bytes]]:
    """(path inside the package, content) of what Chalice packaged: the application and Chalice's run time."""
    with zipfile.ZipFile(chalice_zip) as archive:
        for name in archive.namelist():
            if not name.endswith((".pyc", "/")) and "__pycache__" not in name:
                yield name, archive.read(name)


def write_zip(path: Path, entries: Sequence[tuple[str, bytes]]) -> int:
    """Write the entries sorted, with one fixed time and mode, and return the size in bytes.

    PackagingError when the package is larger than we allow: upload and cold starts grow with it.
    """
    unfinished = path.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(entries):
            info = zipfile.ZipInfo(name, ENTRY_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = FILE_MODE
            archive.writestr(info, content)
    size = unfinished.stat().st_size
    if size > MAX_ZIP_BYTES:
        unfinished.unlink()
        raise PackagingError(f"The Lambda package has {size:,} bytes; at most {MAX_ZIP_BYTES:,} are allowed.")
    unfinished.replace(path)
    return size
