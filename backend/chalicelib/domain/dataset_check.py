"""Checks a training file as a stream of bytes: what is in it, and everything that is wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chalicelib.domain.dataset import (
    MIN_CONVERSATIONS,
    DatasetFormat,
    Finding,
    HumanReview,
    Quality,
    Scaffolding,
)
from chalicelib.domain.dataset_duplicates import SeenRows
from chalicelib.domain.dataset_json import RowError, read_row
from chalicelib.domain.dataset_lines import MAX_LINE_BYTES, Line, LineSplitter
from chalicelib.domain.dataset_rows import Message, format_of, messages_of, tools_text
from chalicelib.domain.dataset_sniff import JSONL_HINT, SNIFF_BYTES, UTF8_BOM, not_jsonl
from chalicelib.domain.dataset_statistics import Statistics
from chalicelib.domain.dataset_tokens import message_tokens, opening_tokens

MAX_LISTED_FINDINGS = 100
ROOM_FOR_FILE_FINDINGS = 4  # kept free in the list for sentences about the whole file
NEARLY_ALL_REPEATED = 0.9
JSON_SPACE = b" \t\r"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """sha256 is None when reading stopped early because the file is not JSONL at all."""

    size_bytes: int
    sha256: str | None
    format: DatasetFormat | None
    conversations: int
    training_pairs: int
    tokens: int
    quality: Quality | None
    scaffolding: Scaffolding
    human_review: HumanReview
    errors: tuple[Finding, ...]
    error_count: int
    warnings: tuple[Finding, ...]
    warning_count: int

    @property
    def is_usable(self) -> bool:
        return self.error_count == 0


class Findings:
    """Counts all, keeps the first ones."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.count = 0

    def add(self, finding: Finding) -> None:
        self.count += 1
        room = MAX_LISTED_FINDINGS - (0 if finding.line is None else ROOM_FOR_FILE_FINDINGS)
        if len(self.listed) < room:
            self.listed.append(finding)


class DatasetCheck:
    """Feed the file in chunks of any size, stop when `is_hopeless`, then ask for the `report`."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._head: bytearray | None = bytearray()
        self._lines = LineSplitter()
        self._seen = SeenRows()
        self._statistics = Statistics()
        self._errors = Findings()
        self._warnings = Findings()
        self._format: DatasetFormat | None = None
        self._repeated = 0
        self._training_pairs = 0
        self._tokens = 0.0
        self.size_bytes = 0
        self.conversations = 0
        self.is_hopeless = False

    def feed(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.is_hopeless:
            return
        self._digest.update(chunk)
        if self._head is not None:
            self._head += chunk
            if len(self._head) < SNIFF_BYTES:
                return
            chunk = self._begin()
        for line in self._lines.feed(chunk):
            self._take(line)

    def stop(self, finding: Finding) -> None:
        """Gives up on the file for a reason found outside of it."""
        self._errors.add(finding)
        self.is_hopeless = True

    def report(self) -> CheckReport:
        """The result. Call once, after the last chunk."""
        if not self.is_hopeless:
            self._finish()
        return CheckReport(
            size_bytes=self.size_bytes,
            sha256=None if self.is_hopeless else self._digest.hexdigest(),
            format=self._format,
            conversations=self.conversations,
            training_pairs=self._training_pairs,
            tokens=round(self._tokens),
            quality=self._statistics.quality(),
            scaffolding=self._statistics.scaffolding(self.conversations),
            human_review=self._statistics.human_review(self.conversations),
            errors=tuple(self._errors.listed),
            error_count=self._errors.count,
            warnings=tuple(self._warnings.listed),
            warning_count=self._warnings.count,
        )

    def _begin(self) -> bytes:
        """Looks at the first bytes once; what is left to read as lines."""
        head, self._head = bytes(self._head or b""), None
        if (finding := not_jsonl(head[:SNIFF_BYTES])) is not None:
            self.stop(finding)
            return b""
        return head.removeprefix(UTF8_BOM)

    def _finish(self) -> None:
        if self._head is not None:
            for line in self._lines.feed(self._begin()):
                self._take(line)
        for line in self._lines.finish():
            self._take(line)
        if self.is_hopeless:
            return
        if not self.size_bytes:
            self._file_error("The file is empty.", JSONL_HINT)
        elif not self.conversations and not self._errors.count:
            self._file_error("The file holds only blank lines.", JSONL_HINT)
        else:
            self._check_amount()

    def _check_amount(self) -> None:
        missing = MIN_CONVERSATIONS - self.conversations
        if missing > 0:
            self._file_error(
                f"Only {_counted(self.conversations, 'conversation')}; "
                f"at least {MIN_CONVERSATIONS} are needed.",
                f"Add {missing} more {'conversation' if missing == 1 else 'conversations'}.",
            )
        elif self.conversations - self._repeated < MIN_CONVERSATIONS:
            self._file_error(
                f"Only {_counted(self.conversations - self._repeated, 'different conversation')}; "
                f"the rest repeats them. At least {MIN_CONVERSATIONS} are needed.",
                "Remove the repeated rows and add more conversations.",
            )
        elif self._repeated > NEARLY_ALL_REPEATED * self.conversations:
            self._file_error(
                f"{self._repeated:,} of {self.conversations:,} conversations repeat earlier ones.",
                "Remove the repeated rows.",
            )
        if self._seen.is_full:
            self._warn(
                None,
                None,
                f"Repeats were looked for among the first {self._seen.count:,} conversations.",
                "Nothing to do.",
            )

    def _take(self, line: Line) -> None:
        if line.too_long:
            megabytes = MAX_LINE_BYTES // (1024 * 1024)
            self._error(
                line.number, None, f"The line is longer than {megabytes} MB.", "Split the conversation."
            )
            return
        data = line.data.strip(JSON_SPACE)
        if not data:
            return
        try:
            self._take_row(line, data)
        except RowError as error:
            if not line.ended and error.is_cut:
                self._error(
                    line.number,
                    None,
                    "The last line is cut off.",
                    "The export or upload broke off; do it again.",
                )
            else:
                self._error(line.number, error.field, error.message, error.hint)

    def _take_row(self, line: Line, data: bytes) -> None:
        row = read_row(data)
        row_format = format_of(row, self._format)
        self._format = row_format  # also when the row is wrong: its shape says what the file was meant to be
        messages = messages_of(row, row_format)
        self._count(messages, tools_text(row, row_format), line.number)
        metadata = row.get("metadata")
        if isinstance(metadata, dict):
            for field, message, hint in self._statistics.add(metadata):
                self._warn(line.number, field, message, hint)
        elif metadata is not None:
            self._warn(
                line.number, "metadata", "The metadata is no object; it was left out.", "Write an object."
            )

    def _count(self, messages: list[Message], tools: str, line: int) -> None:
        self.conversations += 1
        self._tokens += opening_tokens(messages[0].role)
        parts: list[Any] = []
        if tools:
            offered = tools.encode("utf-8")
            parts.append(offered)
            self._tokens += message_tokens(len(tools), len(offered))
        for message in messages:
            text = message.text if message.calls else message.content
            content = text.encode("utf-8")
            parts += (message.role.encode("ascii"), b"%d" % len(content), content)
            self._tokens += message_tokens(len(text), len(content))
            self._training_pairs += message.role == "assistant"
        first = self._seen.first_line(b"\n".join(parts), line)
        if first is not None:
            self._repeated += 1
            self._warn(line, None, f"Row repeats line {first}.", "Remove one of the two.")
        self._warn_about_turns(messages, line)

    def _warn_about_turns(self, messages: list[Message], line: int) -> None:
        if messages[-1].role != "assistant":
            self._warn(
                line,
                None,
                "The last turn is no assistant turn; nothing is learned from it.",
                "Add the answer or remove it.",
            )
        if any(a.role == b.role == "user" for a, b in pairwise(messages)):
            self._warn(
                line,
                None,
                "Two user turns follow one another; some base models refuse that.",
                "Join them into one turn.",
            )

    def _error(self, line: int, field: str | None, message: str, hint: str) -> None:
        self._errors.add(Finding(line, field, message, hint))

    def _file_error(self, message: str, hint: str) -> None:
        self._errors.add(Finding(None, None, message, hint))

    def _warn(self, line: int | None, field: str | None, message: str, hint: str) -> None:
        self._warnings.add(Finding(line, field, message, hint))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
