"""Recognises files that are no JSONL at all: one clear sentence is said then, not a hundred."""

from __future__ import annotations

import json

from chalicelib.domain.dataset import Finding

SNIFF_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"
JSONL_HINT = 'Upload a JSONL file: one JSON object per line, for example {"messages": [...]}.'

# First bytes of formats people rename to .jsonl (from the formats' own specifications).
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip archive", "Unpack it and upload the JSONL file inside."),
    (b"PAR1", "a Parquet file", "Export it as JSONL, one row per line."),
    (b"BZh", "a bzip2 archive", "Unpack it and upload the JSONL file inside."),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it and upload the JSONL file inside."),
    (b"\xfd7zXZ\x00", "an XZ archive", "Unpack it and upload the JSONL file inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it and upload the JSONL file inside."),
    (b"%PDF", "a PDF document", JSONL_HINT),
    (b"SQLite format 3\x00", "an SQLite database", "Export its rows as JSONL, one object per line."),
    (b"ARROW1", "an Arrow file", "Export it as JSONL, one row per line."),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "Export the rows as JSONL, one object per line."),
)
WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
UTF8_HINT = "Save the file as UTF-8 and upload it again."


def not_jsonl(head: bytes) -> Finding | None:
    """head: the first SNIFF_BYTES of the file (or all of a smaller one). None when it may be JSONL."""
    return _by_signature(head) or _by_encoding(head) or _by_first_lines(head.removeprefix(UTF8_BOM))


def _wrong_file(message: str, hint: str, line: int | None = None) -> Finding:
    return Finding(line, None, message, hint)


def _by_signature(head: bytes) -> Finding | None:
    if head.startswith(b"PK\x03\x04"):
        if b"[Content_Types].xml" in head or b"xl/" in head:
            return _wrong_file("The file is an Excel workbook, not JSONL.", "Export the rows as JSONL.")
        return _wrong_file("The file is a ZIP archive, not JSONL.", "Unpack it and upload the JSONL inside.")
    for signature, name, hint in SIGNATURES:
        if head.startswith(signature):
            return _wrong_file(f"The file is {name}, not JSONL.", hint)
    return None


def _by_encoding(head: bytes) -> Finding | None:
    if head.startswith(WIDE_BOMS):
        return _wrong_file("The file is saved as UTF-16 or UTF-32, not UTF-8.", UTF8_HINT)
    zeros = head.count(0)
    if zeros and zeros >= 0.9 * len(head):
        return _wrong_file("The file holds zero bytes instead of text; it is damaged.", "Export it again.")
    # Without a byte order mark, English text in UTF-16 still has a zero in every other byte.
    if len(head) >= 8 and zeros > 0.3 * len(head):
        return _wrong_file("The file looks like UTF-16, not UTF-8.", UTF8_HINT)
    return None


def _by_first_lines(text: bytes) -> Finding | None:
    lines = [line for line in (raw.strip() for raw in text.split(b"\n")) if line]
    if not lines:
        return None
    first, second = lines[0], lines[1] if len(lines) > 1 else b""
    if first.startswith(b"["):
        return _wrong_file(
            "The file is one JSON array, not JSONL.",
            "Write each element on a line of its own, without the outer brackets and commas.",
            1,
        )
    if first.startswith(b"<"):
        return _wrong_file("The file is a web page or XML, not JSONL.", JSONL_HINT, 1)
    if second and not second.startswith(b"{"):
        return _spread_or_table(first)
    return None


def _spread_or_table(first: bytes) -> Finding | None:
    """The second line is no object: one object spread over lines, a table, or just a broken row."""
    if first.startswith(b"{"):
        if not _is_unfinished(first):
            return None
        return _wrong_file(
            "A JSON object is spread over several lines.",
            "Write each object on one line (JSON Lines), without line breaks inside.",
            1,
        )
    if any(first.count(mark) for mark in (b",", b"\t", b";")):
        return _wrong_file(
            "The file is a table (CSV or TSV), not JSONL.",
            'Write each row as a JSON object with "instruction" and "output", or with "messages".',
            1,
        )
    return None


def _is_unfinished(line: bytes) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        return False
    return False
