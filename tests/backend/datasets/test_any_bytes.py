from __future__ import annotations

import json
import tracemalloc

from chalicelib.domain.dataset_check import DatasetCheck
from chalicelib.domain.dataset_duplicates import SeenRows
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backend.datasets.rows import chat, check, good, jsonl

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
roles = st.sampled_from(["system", "user", "assistant", "tool", "human", "gpt", ""]) | anything
turn = st.fixed_dictionaries(
    {}, optional={"role": roles, "content": anything, "from": roles, "value": anything}
)
almost_rows = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(turn, max_size=4) | anything,
        "conversations": st.lists(turn, max_size=4) | anything,
        "instruction": anything,
        "output": anything,
        "input": anything,
        "system": anything,
        "metadata": anything
        | st.dictionaries(
            st.sampled_from(
                [
                    "persona",
                    "topic",
                    "emotional_arc",
                    "quality_scores",
                    "human_review",
                    "scaffolding",
                    "overall",
                ]
            ),
            anything,
        ),
    },
)


def holds_together(body: bytes) -> None:
    report = check(body)
    assert report.is_usable == (report.error_count == 0)
    assert len(report.errors) <= 100
    assert report.conversations <= body.count(b"\n") + 1
    said = [text for each in (*report.errors, *report.warnings) for text in (each.message, each.field or "")]
    "".join(said).encode("utf-8")


@given(st.binary(max_size=6000))
@settings(max_examples=150, deadline=None)
def test_no_bytes_at_all_can_crash_the_check(body: bytes) -> None:
    holds_together(body)
    holds_together(jsonl(good(3)) + body + b"\n" + jsonl(good(3)))


@given(st.lists(almost_rows, max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_json_at_all_can_crash_the_check(rows: list[object]) -> None:
    holds_together(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def test_a_200_megabyte_stream_is_checked_in_little_memory() -> None:
    rows = [chat(number) for number in range(40)]
    for number, row in enumerate(rows):
        row["messages"][1]["content"] = f"{number} " + "lorem ipsum " * 8000
    piece = jsonl(rows)
    checking = DatasetCheck()
    checking.feed(jsonl(good()))
    tracemalloc.start()
    try:
        while checking.size_bytes < 200_000_000:
            for start in range(0, len(piece), 1 << 20):
                checking.feed(piece[start : start + (1 << 20)])
        report = checking.report()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.conversations > 2000
    assert peak_bytes < 20_000_000


def test_seen_rows_remembers_through_growth_and_stops_at_its_bound() -> None:
    seen = SeenRows(max_slots=1 << 13)
    firsts = [seen.first_line(b"%d" % number, number) for number in range(5000)]
    assert firsts == [None] * 5000
    assert seen.is_full
    assert seen.count == 4096
    assert [seen.first_line(b"%d" % number, 9999) for number in (0, 2047, 4095)] == [0, 2047, 4095]
    assert seen.first_line(b"4999", 9999) is None
