from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.dataset import DatasetFormat
from chalicelib.domain.dataset_json import RowError
from chalicelib.domain.dataset_rows import Message, messages_of, tools_text

from tests.backend.datasets.rows import chat, check, check_with, good, jsonl

ROOT = Path(__file__).parents[3]
GOLDEN = json.loads((ROOT / "contracts/examples/dataset_rows.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: str(case["name"]))
def test_every_row_converts_as_the_contract_says(case: dict[str, Any]) -> None:
    row_format = DatasetFormat(case["format"])
    if "error" in case:
        with pytest.raises(RowError) as refused:
            converted(case["row"], row_format)
        got = refused.value
        assert case["error"] == {"field": got.field, "message": got.message, "hint": got.hint}
        return
    assert (case["messages"], case.get("tools", [])) == converted(case["row"], row_format)


def converted(row: dict[str, Any], row_format: DatasetFormat) -> tuple[list[Any], list[Any]]:
    """Messages and tools."""
    messages = [as_object(message) for message in messages_of(row, row_format)]
    return messages, json.loads(tools_text(row, row_format) or "[]")


def as_object(message: Message) -> dict[str, Any]:
    calls = {"tool_calls": json.loads(message.calls)} if message.calls else {}
    answered = {} if message.call_id is None else {"tool_call_id": message.call_id}
    return {"role": message.role, "content": message.content, **calls, **answered}


def test_the_example_dataset_is_ready_without_a_single_warning() -> None:
    body = (ROOT / "examples/harbourlight-support.jsonl").read_bytes()
    report = check(body)
    assert report.is_usable
    assert report.warning_count == 0
    assert report.conversations >= 90
    assert report.quality is not None
    assert report.quality.average >= 4.0
    assert report.human_review.reviewed > 0


def test_the_demo_asks_for_facts_the_example_dataset_tells_often_but_in_other_words() -> None:
    demo = json.loads((ROOT / "examples/demo.json").read_text())
    text = (ROOT / "examples" / demo["dataset"]).read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    asked = {turn["content"] for row in rows for turn in row["messages"] if turn["role"] == "user"}
    for question in demo["questions"]:
        telling = [
            row
            for row in rows
            if any(
                question["expect"] in turn["content"]
                for turn in row["messages"]
                if turn["role"] == "assistant"
            )
        ]
        assert len(telling) >= 8, question
        assert question["question"] not in asked


def test_conversations_pairs_and_digest_are_counted() -> None:
    rows = good(50)
    rows[0]["messages"] += rows[1]["messages"]
    body = jsonl(rows)
    report = check(body)
    assert (report.conversations, report.training_pairs, report.format) == (50, 51, DatasetFormat.CHAT)
    assert report.sha256 == hashlib.sha256(body).hexdigest()
    assert report.size_bytes == len(body)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + jsonl(good()),
        jsonl(good(), end="\r\n"),
        jsonl(good()).rstrip(b"\n"),
        b"\n\n  \n" + jsonl(good(), end="\n\n"),
    ],
    ids=["byte order mark", "CRLF", "no last newline", "blank lines"],
)
def test_harmless_differences_between_editors_are_accepted(body: bytes) -> None:
    report = check(body)
    assert report.errors == ()
    assert (report.conversations, report.warning_count) == (60, 0)


def test_line_numbers_count_blank_lines_as_an_editor_does() -> None:
    report = check(b"\n\n" + jsonl([*good(), "oops"]))
    assert [error.line for error in report.errors] == [63]


@pytest.mark.parametrize("chunk_bytes", [1, 3, 4096, 1 << 20])
def test_the_report_does_not_depend_on_how_the_stream_is_cut(chunk_bytes: int) -> None:
    body = b"\xef\xbb\xbf" + jsonl([*good(), "oops", {"messages": []}, chat(1, metadata={"topic": "höhe"})])
    assert check(body, chunk_bytes) == check(body, len(body))


def test_sharegpt_and_alpaca_files_are_recognised() -> None:
    sharegpt = [
        {"conversations": [{"from": "human", "value": f"Q{n}"}, {"from": "gpt", "value": "A"}]}
        for n in range(50)
    ]
    alpaca = [{"instruction": f"Do {n}", "input": "", "output": "Done"} for n in range(50)]
    assert check(jsonl(sharegpt)).format is DatasetFormat.SHAREGPT
    assert check(jsonl(alpaca)).format is DatasetFormat.ALPACA
    assert check(jsonl(sharegpt)).is_usable
    assert check(jsonl(alpaca)).training_pairs == 50


def test_metadata_becomes_quality_scaffolding_and_review_statistics() -> None:
    scored = {
        "persona": "Planner",
        "emotional_arc": "fear → relief",
        "topic": ["tax", "rent"],
        "quality_scores": {"empathy": 5, "clarity": 4, "appropriateness": 3},
        "human_review": {"reviewed": True, "score": 4.5},
    }
    flat = {"scaffolding": {"persona": "Planner"}, "empathy": 3, "overall": 2, "human_reviewed": True}
    report = check(jsonl([chat(1, metadata=scored), chat(2, metadata=flat), *good(60)[2:]]))
    assert report.quality is not None
    assert report.quality.average == 3.0  # (4.0 from the three scores + 2 stated) / 2
    assert report.quality.scores == {"empathy": 4.0, "clarity": 4.0, "appropriateness": 3.0}
    assert report.quality.scored_conversations == 2
    assert [(each.value, each.count) for each in report.scaffolding.personas] == [("Planner", 2)]
    assert report.scaffolding.personas[0].share == 0.033
    assert {each.value for each in report.scaffolding.topics} == {"tax", "rent"}
    assert (report.human_review.reviewed, report.human_review.average_score) == (2, 4.5)


def test_a_file_without_scores_is_not_scored_and_still_usable() -> None:
    report = check(jsonl(good()))
    assert report.quality is None
    assert report.is_usable


@pytest.mark.parametrize("score", [6, -1, "5", True, [5], 10**400], ids=str)
def test_a_score_outside_the_scale_is_left_out_with_a_warning(score: Any) -> None:
    report = check_with(chat(99, metadata={"quality_scores": {"empathy": score}}))
    assert report.is_usable
    assert report.quality is None
    assert report.warnings[0].field == "metadata.quality_scores.empathy"


def test_metadata_that_is_no_object_is_left_out_with_a_warning() -> None:
    assert check_with(chat(99, metadata="vip")).warnings[0].field == "metadata"


def test_endless_different_personas_stay_bounded() -> None:
    report = check(jsonl([chat(n, metadata={"persona": f"p{n}"}) for n in range(3000)]))
    assert len(report.scaffolding.personas) == 21
    assert report.scaffolding.personas[-1].value == "Other"
    assert sum(each.count for each in report.scaffolding.personas) == 3000


def test_metadata_values_are_stored_as_short_printable_text() -> None:
    report = check_with(chat(99, metadata={"persona": "\ud83d\u202e\x00" + "x" * 500, "topic": "\n"}))
    value = report.scaffolding.personas[0].value
    assert value.isprintable()
    assert len(value) <= 82
    assert report.scaffolding.topics == ()


def test_a_repeated_row_is_a_warning_that_names_the_first_line() -> None:
    report = check(jsonl([*good(), chat(3)]))
    assert report.is_usable
    assert (report.warnings[0].line, report.warnings[0].message) == (61, "Row repeats line 3.")


def test_turns_that_teach_nothing_are_warnings() -> None:
    user = {"role": "user", "content": "Hm"}
    report = check_with({"messages": [user, *chat(99)["messages"], user]})
    assert report.is_usable
    assert {warning.message.split(";")[0] for warning in report.warnings} == {
        "The last turn is no assistant turn",
        "Two user turns follow one another",
    }


def test_tools_and_calls_count_as_text_and_make_rows_different() -> None:
    rows = good(50)
    plain = check(jsonl(rows))
    rows[1]["messages"] = json.loads(json.dumps(rows[0]["messages"]))
    rows[1]["messages"][-1]["tool_calls"] = [
        {"type": "function", "function": {"name": "lookup", "arguments": '{"place": "quay"}'}}
    ]
    rows[2] = {**rows[0], "tools": [{"type": "function", "function": {"name": "lookup"}}]}
    report = check(jsonl(rows))
    assert (report.is_usable, report.warning_count) == (True, 0)
    assert report.tokens > plain.tokens + 20
