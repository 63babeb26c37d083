"""Which tokens carry loss, held token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trainer.chat import ChatRenderer
from trainer.errors import BadDatasetError, ModelUnavailableError
from trainer.model_cache import load_tokenizer
from trainer.rows import Conversation

MARKERLESS = (
    "{%- for message in messages -%}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>{{ '\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant{{ '\n' }}{%- endif -%}"
)
MESSAGES = (
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "hi there"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "bye"},
    {"role": "assistant", "content": "Bye."},
)


@pytest.fixture
def tokenizer(models_dir: Path) -> Any:
    return load_tokenizer(next(models_dir.glob("*@*")))


def supervised_text(tokenizer: Any, example: Any) -> str:
    return str(tokenizer.decode([t for t, s in zip(example.token_ids, example.supervised, strict=True) if s]))


def test_only_the_assistants_words_and_their_end_carry_loss(tokenizer: Any) -> None:
    example = ChatRenderer(tokenizer, "Tiny").example(Conversation(1, MESSAGES), 500)
    assert example is not None
    assert supervised_text(tokenizer, example) == "Hello!<|im_end|>Bye.<|im_end|>"
    assert tokenizer.decode(example.token_ids).startswith(
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user"
    )


def test_prefix_rendering_marks_the_same_tokens_as_the_templates_own_markers(tokenizer: Any) -> None:
    by_markers = ChatRenderer(tokenizer, "Tiny").example(Conversation(1, MESSAGES), 500)
    tokenizer.chat_template = MARKERLESS
    by_prefix = ChatRenderer(tokenizer, "Tiny").example(Conversation(1, MESSAGES), 500)
    assert by_prefix == by_markers


def test_a_template_without_a_system_role_gets_it_in_the_first_question(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('no system role') }}{%- endif -%}"
        + MARKERLESS
    )
    renderer = ChatRenderer(tokenizer, "Tiny")
    example = renderer.example(Conversation(1, MESSAGES), 500)
    assert example is not None
    assert "user\nBe kind.\n\nhi there" in tokenizer.decode(example.token_ids)
    assert renderer.folded_systems == 1


def test_a_template_that_cannot_take_a_conversation_names_the_line(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(BadDatasetError, match=r"line 7: roles must alternate"):
        ChatRenderer(tokenizer, "Tiny").example(Conversation(7, MESSAGES), 500)


def test_a_template_that_rewrites_earlier_turns_is_refused_instead_of_mistrained(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages | length }}:" + MARKERLESS
    with pytest.raises(BadDatasetError, match="not how that turn begins"):
        ChatRenderer(tokenizer, "Tiny").example(Conversation(7, MESSAGES), 500)


def test_a_model_without_a_template_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    with pytest.raises(ModelUnavailableError, match="instruction-tuned"):
        ChatRenderer(tokenizer, "Tiny")


def test_a_long_conversation_is_cut_after_an_assistant_turn(tokenizer: Any) -> None:
    renderer = ChatRenderer(tokenizer, "Tiny")
    whole = renderer.example(Conversation(1, MESSAGES), 500)
    assert whole is not None
    cut = renderer.example(Conversation(1, MESSAGES), len(whole) - 1)
    assert cut is not None
    assert cut.truncated
    assert supervised_text(tokenizer, cut) == "Hello!<|im_end|>"
    assert cut.token_ids == whole.token_ids[: len(cut)]


def test_a_first_exchange_that_does_not_fit_keeps_its_beginning(tokenizer: Any) -> None:
    messages = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "word " * 200})
    example = ChatRenderer(tokenizer, "Tiny").example(Conversation(1, messages), 64)
    assert example is not None
    assert len(example) == 64
    assert example.truncated
    assert example.supervised_tokens > 0


def test_a_conversation_without_an_answer_is_skipped(tokenizer: Any) -> None:
    renderer = ChatRenderer(tokenizer, "Tiny")
    assert renderer.example(Conversation(1, MESSAGES[:2]), 500) is None
    long_question = ({"role": "user", "content": "word " * 200}, {"role": "assistant", "content": "x"})
    assert renderer.example(Conversation(1, long_question), 64) is None


def test_a_trailing_question_is_dropped(tokenizer: Any) -> None:
    renderer = ChatRenderer(tokenizer, "Tiny")
    with_question = Conversation(1, (*MESSAGES, {"role": "user", "content": "and?"}))
    assert renderer.example(with_question, 500) == renderer.example(Conversation(1, MESSAGES), 500)
