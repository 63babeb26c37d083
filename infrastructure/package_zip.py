"""The zip of the functions: slim dependencies for the Lambda platform and the application, repeatably."""

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
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui",
    "apsw/fts_test_strings",
    "apsw/sqlite_extra_binaries/",
    "apsw/tests/",
    "bin/",
    "boto3/examples/",
)
UNUSED_PARTS = ("__pycache__", "tests", "test")
UNUSED_SUFFIXES = (".pyi", ".pyc", ".c", ".h", ".typed")
MARK = ".installed"
# A zip entry needs a time; this is the oldest one that the format knows.
ENTRY_TIME = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o644 << 16
MAX_ZIP_BYTES = 25_000_000


def install_dependencies(requirements: Path, target: Path) -> None:
    """Install the pinned wheels into `target`, once per content of the requirements file.

    PackagingError carries pip's own words, for instance that a version has no wheel for the platform.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON:
        raise PackagingError(f"Package with Python {PYTHON}, whose byte code the Lambda run time reads.")
    wanted = hashlib.sha256(requirements.read_bytes() + repr(PLATFORMS).encode()).hexdigest()
    mark = target / MARK
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
    _prune(target)
    _compile(target)
    mark.write_text(wanted)


def is_needed(name: str) -> bool:
    """Whether a file, by its path inside the package, is needed at run time."""
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
    """(path inside the package, content) of each file of a prepared folder."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if name != MARK:
                yield path.relative_to(folder).as_posix(), path.read_bytes()


def unpack_application(chalice_zip: Path, target: Path) -> Path:
    """What Chalice packaged, the application and Chalice's run time, compiled in the folder `target`."""
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(chalice_zip) as archive:
        archive.extractall(target)
    _prune(target)
    _compile(target)
    return target


def _prune(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if not is_needed(path.relative_to(folder).as_posix()):
                path.unlink()


def _compile(folder: Path) -> None:
    """Byte code beside the sources: Lambda's folder is read-only, so each cold start would compile it all.

    Hash-based and unchecked, so that neither a file's time nor its age matters. PEP 552.
    """
    command = [sys.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", "/var/task", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PackagingError(f"Some sources of the package do not compile:\n{result.stdout.strip()}")


def write_zip(path: Path, entries: Sequence[tuple[str, bytes]]) -> int:
    """Write the entries sorted, with one fixed time and mode, and return the size in bytes.

    PackagingError when the package is larger than we allow: upload and cold starts grow with it.
    """
    unfinished = path.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
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
