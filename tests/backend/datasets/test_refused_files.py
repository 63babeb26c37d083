from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import pytest

from tests.backend.datasets.rows import chat, check, check_with, good, jsonl

USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello!"}


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x" * 100)
    return file.getvalue()


NOT_JSONL: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "The file is empty."),
    "blank": (b"\n \r\n\t\n", "The file holds only blank lines."),
    "only a byte order mark": (b"\xef\xbb\xbf", "The file holds only blank lines."),
    "zip": (zipped("rows.jsonl"), "The file is a ZIP archive, not JSONL."),
    "xlsx": (zipped("[Content_Types].xml"), "The file is an Excel workbook, not JSONL."),
    "gzip": (gzip.compress(jsonl(good())), "The file is a gzip archive, not JSONL."),
    "parquet": (b"PAR1" + bytes(5000), "The file is a Parquet file, not JSONL."),
    "pdf": (b"%PDF-1.7\n%...", "The file is a PDF document, not JSONL."),
    "sqlite": (b"SQLite format 3\x00" + bytes(90), "The file is an SQLite database, not JSONL."),
    "utf-16 with mark": (jsonl(good()).decode().encode("utf-16"), "saved as UTF-16 or UTF-32"),
    "utf-16 without mark": (
        jsonl(good()).decode().encode("utf-16-le"),
        "The file looks like UTF-16, not UTF-8.",
    ),
    "utf-32": (jsonl(good()).decode().encode("utf-32"), "saved as UTF-16 or UTF-32"),
    "zeros": (bytes(10_000), "zero bytes instead of text"),
    "array": (json.dumps(good()).encode(), "The file is one JSON array, not JSONL."),
    "indented array": (json.dumps(good(), indent=2).encode(), "The file is one JSON array, not JSONL."),
    "indented object": (
        json.dumps(chat(1), indent=2).encode(),
        "A JSON object is spread over several lines.",
    ),
    "csv": (b"instruction,output\nHi,Hello\n", "The file is a table (CSV or TSV), not JSONL."),
    "quoted csv": (b'"instruction","output"\n"Hi","Hello"\n', "The file is a table (CSV or TSV), not JSONL."),
    "tsv": (b"instruction\toutput\nHi\tHello\n", "The file is a table (CSV or TSV), not JSONL."),
    "html": (b"<!doctype html>\n<p>Sign in</p>", "The file is a web page or XML, not JSONL."),
}


@pytest.mark.parametrize("name", NOT_JSONL)
def test_a_file_that_is_no_jsonl_gets_one_clear_sentence(name: str) -> None:
    body, sentence = NOT_JSONL[name]
    report = check(body)
    assert report.error_count == 1
    assert sentence in report.errors[0].message
    assert report.errors[0].hint
    assert report.conversations == 0


DEEP = '{"messages": [], "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
NESTED = json.dumps(chat(1) | {"x": json.loads("[" * 80 + "]" * 80)})
BAD_ROWS: dict[str, tuple[Any, str | None, str]] = {
    "not json": (
        "{'a': 1}",
        None,
        "not valid JSON: Expecting property name enclosed in double quotes at column 2",
    ),
    "two objects": ('{"a": 1} {"b": 2}', None, "not valid JSON: Extra data at column 10"),
    "number": ("5", None, "not a JSON object"),
    "null": ("null", None, "not a JSON object"),
    "cut in the middle": ('{"messages": [{"role": "us', None, "ends in the middle of a JSON object"),
    "nul byte": ('{"messages": "\x00"}', None, "NUL bytes"),
    "lone carriage return": ('{"messages":\r[]}', None, "old Mac line breaks"),
    "not a number": ('{"messages": [], "x": NaN}', None, "NaN is not JSON"),
    "infinity": ('{"messages": [], "x": -Infinity}', None, "-Infinity is not JSON"),
    "huge exponent": ('{"messages": [], "x": 1e999}', None, "number that is too large"),
    "endless integer": ('{"messages": [], "x": ' + "9" * 5000 + "}", None, "number that is too large"),
    "nesting bomb": (DEEP, None, "nested more than 64 levels"),
    "deep nesting": (NESTED, None, "nested more than 64 levels"),
    "key twice": ('{"messages": [], "messages": []}', "messages", '"messages" appears twice'),
    "no format": ({"prompt": "a", "completion": "b"}, None, 'has no "messages"'),
    "other format": ({"instruction": "a", "output": "b"}, "instruction", "began in chat format"),
    "no turns": ({"messages": []}, "messages", "at least one"),
    "turns are an object": ({"messages": {}}, "messages", "must be a list"),
    "turn is text": ({"messages": ["Hi"]}, "messages[0]", "not an object"),
    "unknown role": (
        {"messages": [USER, {"role": "bot", "content": "x"}]},
        "messages[1].role",
        '"bot" is not known',
    ),
    "no role": ({"messages": [{"content": "x"}, ANSWER]}, "messages[0].role", "Role is missing"),
    "role is a list": (
        {"messages": [{"role": ["user"], "content": "x"}]},
        "messages[0].role",
        "is not known",
    ),
    "empty answer": (
        {"messages": [USER, {"role": "assistant", "content": " \n"}]},
        "messages[1].content",
        "is empty",
    ),
    "empty question": (
        {"messages": [{"role": "user", "content": ""}, ANSWER]},
        "messages[0].content",
        "is empty",
    ),
    "no content": ({"messages": [USER, {"role": "assistant"}]}, "messages[1].content", "is missing"),
    "null content": (
        {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": []}]},
        "messages[1].content",
        "is null, not text",
    ),
    "content parts": (
        {"messages": [{"role": "user", "content": [{}]}, ANSWER]},
        "messages[0].content",
        "is a list",
    ),
    "answer first": ({"messages": [ANSWER, USER, ANSWER]}, "messages[0]", "first turn is assistant"),
    "answer after system": (
        {"messages": [{"role": "system", "content": "Be kind."}, ANSWER]},
        "messages[1]",
        "first turn is assistant",
    ),
    "late system": (
        {"messages": [USER, ANSWER, {"role": "system", "content": "x"}, USER, ANSWER]},
        "messages[2]",
        "system turn stands after the beginning",
    ),
    "two answers": ({"messages": [USER, ANSWER, ANSWER]}, "messages[2]", "Two assistant turns"),
    "tool after user": (
        {"messages": [USER, {"role": "tool", "content": "1"}, ANSWER]},
        "messages[1]",
        "tool turn",
    ),
    "no answer": ({"messages": [USER]}, "messages[0]", "no assistant turn"),
    "only system": ({"messages": [{"role": "system", "content": "x"}]}, "messages[0]", "no assistant turn"),
    "half an emoji": (
        r'{"messages": [{"role": "user", "content": "ok \ud83d"}, {"role": "assistant", "content": "x"}]}',
        "messages[0].content",
        "lone surrogate",
    ),
    "escaped nul": (
        r'{"messages": [{"role": "user", "content": "a\u0000b"}, {"role": "assistant", "content": "x"}]}',
        "messages[0].content",
        "NUL character",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_refused_with_line_field_reason_and_advice(name: str) -> None:
    row, field, sentence = BAD_ROWS[name]
    report = check_with(row)
    assert report.error_count == 1
    error = report.errors[0]
    assert (error.line, error.field) == (61, field)
    assert sentence in error.message
    assert error.hint
    assert report.conversations == 60
    json.dumps([error.message, error.field, error.hint], ensure_ascii=False).encode()


def test_broken_utf8_names_line_and_byte() -> None:
    report = check(jsonl(good()) + b'{"messages": "caf\xe9"}\n')
    assert report.errors[0].line == 61
    assert report.errors[0].message == "The line is not UTF-8 (byte 18 of the line)."


@pytest.mark.parametrize("lost", [1, 5, 40])
def test_a_file_that_breaks_off_says_so(lost: int) -> None:
    body = jsonl([*good(), chat(99)])[: -1 - lost]
    assert [error.message for error in check(body).errors] == ["The last line is cut off."]


def test_a_file_that_breaks_off_inside_a_letter_says_so() -> None:
    body = jsonl(good()) + '{"messages": "ü'.encode()[:-1]
    assert [error.message for error in check(body).errors] == ["The last line is cut off."]


def test_gigantic_lines_are_named_and_the_rest_is_still_read() -> None:
    giant = b'{"messages": "' + b"x" * (5 * 1024 * 1024) + b'"}\n'
    report = check(jsonl(good(30)) + giant + jsonl(good()[30:]) + giant.rstrip(b"\n"))
    assert [(error.line, error.message) for error in report.errors] == [
        (31, "The line is longer than 4 MB."),
        (62, "The line is longer than 4 MB."),
    ]
    assert report.conversations == 60


def test_too_few_conversations_say_how_many_are_missing() -> None:
    report = check(jsonl(good(49)))
    assert [error.message for error in report.errors] == ["Only 49 conversations; at least 50 are needed."]
    assert report.errors[0].hint == "Add 1 more conversation."


def test_fifty_copies_of_one_conversation_are_no_dataset() -> None:
    report = check(jsonl([chat(1)] * 200))
    assert "Only 1 different conversation;" in report.errors[0].message


def test_a_file_that_is_nearly_all_copies_is_refused() -> None:
    report = check(jsonl(good(60) + [chat(1)] * 2000))
    assert report.errors[0].message == "2,000 of 2,060 conversations repeat earlier ones."
    assert (report.warning_count, len(report.warnings)) == (2000, 96)


def test_a_hundred_thousand_errors_are_counted_and_a_hundred_shown() -> None:
    report = check(jsonl(["oops"] * 3000 + good(10)))
    assert report.error_count == 3001
    assert len(report.errors) == 97
    assert report.errors[-1].message == "Only 10 conversations; at least 50 are needed."


def test_values_repeated_in_messages_are_short_and_printable() -> None:
    report = check_with({"messages": [{"role": "\u202e\x07" + "r" * 10_000, "content": "x"}, ANSWER]})
    assert len(report.errors[0].message) < 80
    assert report.errors[0].message.isprintable()
