"""Rows of every format become the same conversations; wrong rows name their line; the split never leaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trainer.errors import BadDatasetError
from trainer.rows import Conversation, read_rows

from tests.trainer.fake_control_plane import CONTRACTS
from tests.trainer.trainer_support import as_jsonl, conversations
from trainer import data

GOLDEN = json.loads((CONTRACTS / "examples/dataset_rows.json").read_text(encoding="utf-8"))


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_the_three_formats_read_as_the_same_conversation(tmp_path: Path) -> None:
    expected = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    chat = write(tmp_path / "a", {"messages": expected, "metadata": {"x": 1}})
    sharegpt = write(
        tmp_path / "b",
        {
            "system": "Be brief.",
            "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}],
        },
    )
    alpaca = write(
        tmp_path / "c", {"system": "Be brief.", "instruction": "Hi", "input": "", "output": "Hello"}
    )
    for path, name in ((chat, "chat"), (sharegpt, "sharegpt"), (alpaca, "alpaca")):
        assert read_rows(path, name) == [Conversation(1, tuple(expected))]


def test_an_alpaca_input_follows_its_instruction(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"instruction": "Translate", "input": "Haus", "output": "house"})
    assert read_rows(path, "alpaca")[0].messages[0]["content"] == "Translate\n\nHaus"


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: str(case["name"]))
def test_every_row_converts_as_the_contract_says(case: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "a", case["row"])
    if "error" in case:
        with pytest.raises(BadDatasetError, match="Line 1 ") as refused:
            read_rows(path, case["format"])
        assert "tool" not in case["error"]["field"] or case["error"]["field"] in str(refused.value)
        return
    expected = Conversation(1, tuple(case["messages"]), tuple(case.get("tools", ())))
    assert read_rows(path, case["format"]) == [expected]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ({"text": "x"}, '"messages" list'),
        ({"messages": []}, '"messages" list'),
        ({"messages": ["x"]}, "not an object"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "'robot'"),
        ({"messages": [{"role": "user", "content": None}]}, "not text"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]},
            "not the first message",
        ),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_and_reason(tmp_path: Path, row: Any, reason: str) -> None:
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    with pytest.raises(BadDatasetError, match="Line 3 of the training file") as caught:
        read_rows(write(tmp_path / "a", good, "", row), "chat")
    assert reason in str(caught.value)
    assert caught.value.data == {"line": 3}


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDatasetError, match="no rows"):
        read_rows(write(tmp_path / "a", ""), "chat")


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"messages": "\xff\xfe"}\n')
    with pytest.raises(BadDatasetError, match="UTF-8"):
        read_rows(tmp_path / "a", "chat")


def rows_of(tmp_path: Path, rows: list[dict[str, Any]]) -> list[Conversation]:
    (tmp_path / "rows").write_bytes(as_jsonl(rows))
    return read_rows(tmp_path / "rows", "chat")


def test_the_split_is_a_fifth_and_repeatable(tmp_path: Path) -> None:
    loaded = rows_of(tmp_path, conversations(100))
    training, validation = data.split(loaded, 5)
    assert sorted(training + validation) == list(range(100))
    assert 18 <= len(validation) <= 24
    assert data.split(loaded, 5) == (training, validation)
    assert data.split(loaded, 6) != (training, validation)


def test_equal_conversations_stay_on_one_side(tmp_path: Path) -> None:
    rows = conversations(30)
    loaded = rows_of(tmp_path, rows + rows)
    _, validation = data.split(loaded, 1)
    held_out = set(validation)
    assert held_out
    assert all(((at + 30) % 60 in held_out) for at in held_out)


def test_one_distinct_conversation_is_all_training(tmp_path: Path) -> None:
    loaded = rows_of(tmp_path, conversations(1) * 3)
    assert data.split(loaded, 1) == ([0, 1, 2], [])
