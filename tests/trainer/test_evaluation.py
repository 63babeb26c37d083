"""What evaluation counts and lists, and that it stays small enough to be sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trainer.chat import ChatRenderer, Example
from trainer.config import parse_job
from trainer.evaluate import Evaluation, RowLoss
from trainer.progress import Progress
from trainer.resources import Machine, inspect_machine
from trainer.rows import Conversation

from tests.trainer.chat_families import BY_NAME
from tests.trainer.fake_control_plane import FakeControlPlane, validator
from tests.trainer.trainer_support import conversations, job_file
from trainer import data, evaluate, export


@pytest.fixture
def machine() -> Machine:
    return inspect_machine()


def prepared(family: str, count: int = 20) -> data.Prepared:
    """Conversations of one and two answers, as the trainer prepares them."""
    loaded = [
        Conversation(line, tuple(row["messages"])) for line, row in enumerate(conversations(count), start=1)
    ]
    renderer = ChatRenderer(BY_NAME[family].tokenizer(), family)
    examples = [renderer.examples(each, 2000) for each in loaded]
    training, validation = data.split(loaded, 3)
    return data._collect(loaded, examples, training, validation, renderer.folded_systems)


def test_answers_learned_apart_are_more_examples_of_the_same_conversations() -> None:
    alone, apart = prepared("qwen2_5"), prepared("qwen3")
    assert len(alone.training) == alone.training_count == apart.training_count
    assert len(apart.training) == apart.training_pairs > apart.training_count
    assert apart.lengths == [len(example) for example in apart.training]
    assert [c.line for c in apart.validation_conversations] == [e.line for e in apart.validation]
    for made in (alone, apart):
        held_out = {example.line for example in made.validation}
        assert not held_out & {example.line for example in made.training}
        assert made.training_count + made.validation_count == 20


def test_the_limit_of_validation_counts_conversations_and_never_cuts_one() -> None:
    made = prepared("qwen3", 40)
    whole = [example.line for example in made.validation]
    assert len(whole) > len(set(whole)) > 3
    examples, beside = evaluate.validation_slice(made, 3)
    lines = [example.line for example in examples]
    assert len(set(lines)) == 3
    assert lines == [line for line in whole if line in set(lines)] == [each.line for each in beside]
    assert evaluate.validation_slice(made, None)[0] == made.validation


def test_a_conversation_in_several_examples_is_one_row_with_all_its_tokens() -> None:
    conversation = Conversation(7, ({"role": "user", "content": "Where?"},))
    example = Example(7, (1, 2), (False, True))
    rows = evaluate._by_conversation(
        [example, example],
        [conversation, conversation],
        [RowLoss(6.0, 2), RowLoss(4.0, 3)],
        [RowLoss(3.0, 2), RowLoss(2.0, 3)],
    )
    assert rows == [{"line": 7, "tokens": 5, "base_loss": 2.0, "loss": 1.0, "excerpt": "Where?"}]


@pytest.mark.parametrize("letter", ["a", "语", "\U0001f30a"])
def test_a_summary_of_long_texts_in_any_script_is_small_enough_to_be_stored(
    letter: str, plane: FakeControlPlane, machine: Machine
) -> None:
    job = parse_job(json.dumps(job_file(plane)))
    long = letter * evaluate.TEXT_CHARACTERS
    sample = {"prompt": long, "system": long, "reference": long, "base": long, "adapter": long}
    row = {"line": 1, "base_loss": 1.0, "loss": 2.0, "excerpt": letter * evaluate.EXCERPT_CHARACTERS}
    evaluation = Evaluation(2.0, 1.0, [], [sample] * 9, [row] * 10, [row] * 10)
    progress = Progress(step=3, total_steps=3, losses=[3.0, 2.0, 1.0])
    summary = export.summarise(job, machine, prepared("chatml"), progress, evaluation, "completed")
    assert 80_000 < len(json.dumps(summary)) <= 180_000
    assert len(summary["samples"]) == 9
    assert long.startswith(summary["samples"][0]["adapter"])
    assert list(validator("training_summary").iter_errors(summary)) == []


def test_a_short_summary_is_left_alone(plane: FakeControlPlane, machine: Machine) -> None:
    job = parse_job(json.dumps(job_file(plane)))
    sample = {"prompt": "Where?", "system": None, "reference": "Here.", "base": "?", "adapter": "Here."}
    evaluation = Evaluation(2.0, 1.0, [], [sample], [], [])
    summary = export.summarise(job, machine, prepared("chatml"), Progress(), evaluation, "finish")
    assert summary["samples"] == [sample]
    assert summary["conversations"]["folded_systems"] == 0


def test_a_call_of_a_tool_is_the_reference_of_a_sample(tmp_path: Path) -> None:
    call: dict[str, Any] = {"type": "function", "function": {"name": "lookup", "arguments": {"a": 1}}}
    turn = {"role": "assistant", "content": "", "tool_calls": [call]}
    assert evaluate._reference(turn) == '{"name": "lookup", "arguments": {"a": 1}}'
    assert evaluate._reference({**turn, "content": "Let me look."}).startswith("Let me look.\n{")
