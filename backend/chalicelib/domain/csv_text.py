"""CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# Spreadsheets read a cell that begins so as a formula; the wide forms count too where such keyboards are used.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


def harmless(cell: str) -> str:
    """The cell as text: an apostrophe in front of what would be a formula, with or without spaces before it."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def csv_text(header: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    """RFC 4180, lines ended by CRLF. Every cell is made harmless. header: None for a later part of a file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    if header is not None:
        writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()
