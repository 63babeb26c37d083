"""Conversations as they will be trained, read from the file only as far as needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.dataset import Dataset, DatasetFormat, DatasetStatus
from chalicelib.domain.dataset_json import RowError, read_row
from chalicelib.domain.dataset_lines import Line, LineSplitter
from chalicelib.domain.dataset_rows import Message, messages_of
from chalicelib.domain.dataset_sniff import UTF8_BOM
from chalicelib.domain.errors import NotFound, WrongStatus
from chalicelib.ports import DatasetStore, Files
from chalicelib.use_cases.find_dataset import find_dataset

CHUNK_BYTES = 256 * 1024
MAX_REPLY_BYTES = 2_000_000  # text shown in one page; a Lambda cannot answer more than 6 MB
MAX_CONTENT_LENGTH = 20_000
JSON_SPACE = b" \t\r"


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A turn is trained when the assistant says it."""

    line: int
    messages: tuple[Message, ...]
    metadata: Mapping[str, Any]


def preview_dataset(
    dataset_id: str, offset: int, limit: int, *, datasets: DatasetStore, files: Files
) -> tuple[list[PreviewRow], int]:
    """The rows and how many conversations there are. Fewer than `limit` come when they are very long.

    WrongStatus until the file is checked; NotFound when storage lost it.
    """
    dataset = find_dataset(dataset_id, datasets=datasets)
    if dataset.is_processing:
        raise WrongStatus("Training file not enriched. Wait until it is checked.", {"status": dataset.status})
    if dataset.format is None:
        return [], 0
    rows: list[PreviewRow] = []
    shown_bytes = 0
    try:
        for row in _rows_from(dataset, dataset.format, offset, files):
            rows.append(row)
            shown_bytes += sum(4 * len(message.content) for message in row.messages)
            if len(rows) >= limit or shown_bytes > MAX_REPLY_BYTES:
                break
    except NotFound as error:
        raise NotFound("Storage file missing. Upload the dataset again.") from error
    return rows, dataset.conversations or 0


def _rows_from(
    dataset: Dataset, row_format: DatasetFormat, offset: int, files: Files
) -> Iterator[PreviewRow]:
    """Rows from the offset on. In a ready file every line is a row, so skipped ones need no parsing."""
    all_good = dataset.status is DatasetStatus.READY
    skipped = 0
    for line in _lines(files.read_chunks(dataset.key, chunk_bytes=CHUNK_BYTES)):
        if all_good and skipped < offset:
            skipped += 1
            continue
        row = _row(line, row_format)
        if row is None:
            continue
        if skipped < offset:
            skipped += 1
            continue
        yield row


def _lines(chunks: Iterator[bytes]) -> Iterator[Line]:
    """Lines that are not blank."""
    splitter = LineSplitter()
    for chunk in chunks:
        yield from (line for line in splitter.feed(chunk) if _content(line))
    yield from (line for line in splitter.finish() if _content(line))


def _content(line: Line) -> bytes:
    data = line.data.removeprefix(UTF8_BOM) if line.number == 1 else line.data
    return data.strip(JSON_SPACE)


def _row(line: Line, row_format: DatasetFormat) -> PreviewRow | None:
    try:
        row = read_row(_content(line))
        messages = messages_of(row, row_format)
    except (RowError, KeyError):
        return None
    short = tuple(Message(message.role, _short(message.text)) for message in messages)
    metadata = row.get("metadata")
    if not isinstance(metadata, dict) or len(str(metadata)) > MAX_CONTENT_LENGTH:
        metadata = {}
    return PreviewRow(line.number, short, metadata)


def _short(content: str) -> str:
    if len(content) <= MAX_CONTENT_LENGTH:
        return content
    return content[:MAX_CONTENT_LENGTH] + f"… ({len(content) - MAX_CONTENT_LENGTH:,} more characters)"
