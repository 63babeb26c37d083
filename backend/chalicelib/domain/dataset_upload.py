"""What may be uploaded, and in which pieces."""

from __future__ import annotations

import math

SINGLE_PUT_MAX_BYTES = 100 * 1024 * 1024
MAX_BYTES = 2 * 1024 * 1024 * 1024
PART_BYTES = 32 * 1024 * 1024  # 64 parts at most; storage wants every part but the last at 5 MiB or more
MAX_NAME_LENGTH = 100
MAX_FILE_NAME_LENGTH = 255
EXTENSIONS = (".jsonl", ".ndjson")
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar")
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".parquet", ".arrow")


def is_multipart(size_bytes: int) -> bool:
    return size_bytes > SINGLE_PUT_MAX_BYTES


def part_count(size_bytes: int) -> int:
    return max(1, math.ceil(size_bytes / PART_BYTES))


def problems(name: str, file_name: str, size_bytes: int) -> dict[str, list[str]]:
    """What is wrong with an announced upload, by field; empty when nothing is."""
    found = {
        "name": _name_problem(name, MAX_NAME_LENGTH),
        "file_name": _name_problem(file_name, MAX_FILE_NAME_LENGTH) or _extension_problem(file_name),
        "size_bytes": _size_problem(size_bytes),
    }
    return {field: [problem] for field, problem in found.items() if problem}


def _name_problem(name: str, max_length: int) -> str | None:
    if not name:
        return "Enter a name."
    if len(name) > max_length:
        return f"Use at most {max_length} characters."
    if not name.isprintable():
        return "Leave out line breaks and invisible characters."
    return None


def _extension_problem(file_name: str) -> str | None:
    lower = file_name.lower()
    if lower.endswith(EXTENSIONS):
        return None
    if lower.endswith(PACKED):
        return "Unpack the archive and upload the .jsonl file inside."
    if lower.endswith(TABLES):
        return "Tables are not accepted: export the rows as .jsonl, one JSON object per line."
    if lower.endswith(".json"):
        return (
            "Write one JSON object per line and name the file .jsonl; a single JSON document is not accepted."
        )
    return "Upload a .jsonl (or .ndjson) file: one JSON object per line."


def _size_problem(size_bytes: int) -> str | None:
    if size_bytes < 1:
        return "The file is empty."
    if size_bytes > MAX_BYTES:
        return f"The file is larger than {MAX_BYTES // 1024**3} GB. Split it into several datasets."
    return None
