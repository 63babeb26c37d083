"""Which tokens carry loss in the chat templates of real model families, held token by token."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from trainer.chat import ChatRenderer, Example
from trainer.errors import BadDatasetError
from trainer.rows import Conversation, Message

from tests.trainer.chat_families import BY_NAME, FAMILIES, Family, expected_mask, pieces_of

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
QUESTIONS = ("Where is the quay?", "And when does it open?", "Is it far?")
ANSWERS = ("Behind the market hall,\n\nnear gate 7.", "zebra at nine", "quince: no")
LOOKUP = {
    "type": "function",
    "function": {"name": "lookup", "description": "Finds it.", "parameters": {"type": "object"}},
}
CALL = {"type": "function", "function": {"name": "lookup", "arguments": {"place": "quay"}}}


def talk(turns: int = 3, system: bool = True) -> list[Message]:
    messages: list[Message] = [{"role": "system", "content": "Be kind to visitors."}] if system else []
    for question, answer in list(zip(QUESTIONS, ANSWERS, strict=True))[:turns]:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def learned(tokenizer: Any, example: Example) -> str:
    """The characters of the supervised tokens."""
    pieces = pieces_of(tokenizer, example.token_ids)
    return "".join(piece for piece, flag in zip(pieces, example.supervised, strict=True) if flag)


def answers_of(messages: list[Message]) -> list[str]:
    return [turn["content"].strip() for turn in messages if turn["role"] == "assistant"]


def hold(family: Family, tokenizer: Any, examples: list[Example], answers: list[str]) -> None:
    """Every answer is learned exactly once, whole, with its end of turn; nothing else is."""
    if family.name != "qwen3":
        spoken = [family.said(words, at == len(answers) - 1) for at, words in enumerate(answers)]
        (example,) = examples
        pieces = pieces_of(tokenizer, example.token_ids)
        assert list(example.supervised) == expected_mask(pieces, spoken)
        assert learned(tokenizer, example) == "".join(spoken)
        return
    # The thinking block stands before the last answer only, so each answer is learned where it is the last.
    assert len(examples) == len(answers)
    for example, words in zip(examples, [answers[-1], *answers[:-1]], strict=True):
        pieces = pieces_of(tokenizer, example.token_ids)
        whole = family.said(words, True)
        assert list(example.supervised) == expected_mask(pieces, [whole])
        assert "".join(pieces).endswith(whole + "\n")


@every_family
@pytest.mark.parametrize("system", [False, True], ids=["alone", "with system"])
@pytest.mark.parametrize("turns", [1, 3])
def test_exactly_the_assistants_words_and_their_end_are_learned(
    family: Family, turns: int, system: bool
) -> None:
    tokenizer = family.tokenizer()
    messages = talk(turns, system)
    examples = ChatRenderer(tokenizer, family.name).examples(Conversation(1, tuple(messages)), 5000)
    hold(family, tokenizer, examples, answers_of(messages))
    text = "".join(pieces_of(tokenizer, examples[0].token_ids))
    assert not system or "Be kind to visitors." in text
    assert text.count(family.bos or "never") == (1 if family.bos and family.name != "phi3" else 0)


@pytest.mark.parametrize("name", ["llama3", "qwen2_5", "qwen3", "gemma", "gemma3", "phi3"])
def test_the_tokens_are_those_of_the_templates_own_generation_markers(name: str) -> None:
    family = BY_NAME[name]
    tokenizer = family.tokenizer()
    # Marked Qwen3 keeps the thinking of earlier turns, which the model never gets to see again.
    messages = talk(1 if name == "qwen3" else 3, system=not name.startswith("gemma"))
    (ours,) = ChatRenderer(tokenizer, name).examples(Conversation(1, tuple(messages)), 5000)
    tokenizer.chat_template = family.marked_template
    theirs = tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    assert list(ours.token_ids) == theirs["input_ids"]
    differing = [
        piece
        for piece, mine, marked in zip(
            pieces_of(tokenizer, ours.token_ids), ours.supervised, theirs["assistant_masks"], strict=True
        )
        if mine != bool(marked)
    ]
    # Those templates mark the line break around a turn as well; a model stops before it.
    assert set(differing) <= {"\n"}
    assert len(differing) <= 2 * len(answers_of(messages))


@every_family
def test_any_conversation_is_learned_up_to_the_last_answer_that_fits(family: Family) -> None:
    tokenizer = family.tokenizer()
    renderer = ChatRenderer(tokenizer, family.name)
    draw = random.Random(family.name)
    for _ in range(12):
        messages = drawn(draw)
        conversation = Conversation(1, tuple(messages))
        answers = answers_of(messages)
        lengths = [
            len(renderer.examples(Conversation(1, tuple(messages[:end])), 5000)[0])
            for end in ends_of_answers(messages)
        ]
        limit = draw.choice([*lengths, draw.randint(lengths[0], lengths[-1] + 3)])
        examples = renderer.examples(conversation, limit)
        kept = sum(length <= limit for length in lengths)
        hold(family, tokenizer, examples, answers[:kept])
        assert all(len(example) <= limit for example in examples)
        assert all(example.truncated == (kept < len(answers)) for example in examples)


def drawn(draw: random.Random) -> list[Message]:
    """A conversation of unmistakable answers, with line breaks and spaces where templates trip over them."""
    messages: list[Message] = [{"role": "system", "content": "Be kind."}] if draw.random() < 0.5 else []
    for number in range(draw.randint(1, 4)):
        filler = draw.choice([" ", "\n", "\n\n", " - "]).join(
            draw.choices(["quay", "lamp", "9", "(no)"], k=draw.randint(1, 9))
        )
        messages.append(
            {"role": "user", "content": f"Ask {number}? " + "why " * draw.randint(0, 9) + "then?"}
        )
        messages.append({"role": "assistant", "content": f"reply{number} {filler} end{number}"})
    return messages


def ends_of_answers(messages: list[Message]) -> list[int]:
    return [at + 1 for at, turn in enumerate(messages) if turn["role"] == "assistant"]


@every_family
def test_a_first_exchange_that_is_too_long_keeps_its_beginning(family: Family) -> None:
    tokenizer = family.tokenizer()
    renderer = ChatRenderer(tokenizer, family.name)
    answer = "lamp " * 200 + "end"
    whole = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": answer}]
    longer = [*whole, *talk(1, system=False)]
    for messages in (whole, longer):
        (example,) = renderer.examples(Conversation(1, tuple(messages)), 90)
        assert len(example) == 90
        assert example.truncated
        text = learned(tokenizer, example)
        assert len(text) > 20
        assert family.said(answer, True).startswith(text)
        # From the answer's first token on, everything carries loss.
        assert example.supervised == (False,) * example.supervised.index(True) + (True,) * sum(
            example.supervised
        )


@every_family
def test_a_tool_turn_is_read_but_not_learned_or_the_row_is_refused_with_its_line(family: Family) -> None:
    tokenizer = family.tokenizer()
    messages = (
        {"role": "user", "content": "Price?"},
        {"role": "assistant", "content": "One moment."},
        {"role": "tool", "content": '{"price": 189}'},
        {"role": "assistant", "content": "It is 189."},
    )
    renderer = ChatRenderer(tokenizer, family.name)
    if not family.takes_plain_tool_turns:
        with pytest.raises(BadDatasetError, match="line 7") as caught:
            renderer.examples(Conversation(7, messages), 5000)
        assert caught.value.data == {"line": 7}
        return
    examples = renderer.examples(Conversation(7, messages), 5000)
    hold(family, tokenizer, examples, ["One moment.", "It is 189."])
    assert "price" in "".join(pieces_of(tokenizer, examples[0].token_ids))


@every_family
def test_a_tool_call_is_learned_as_the_template_writes_it_or_the_row_is_refused(family: Family) -> None:
    tokenizer = family.tokenizer()
    messages = (
        {"role": "user", "content": "Where is the quay?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "gate 7"},
        {"role": "assistant", "content": "At gate 7."},
    )
    renderer = ChatRenderer(tokenizer, family.name)
    conversation = Conversation(7, messages, (LOOKUP,))
    if not family.takes_calls:
        with pytest.raises(BadDatasetError, match="line 7"):
            renderer.examples(conversation, 5000)
        return
    examples = renderer.examples(conversation, 5000)
    arguments = "parameters" if family.name.startswith("llama") else "arguments"
    call = f'{{"name": "lookup", "{arguments}": {{"place": "quay"}}}}'
    text = "".join(learned(tokenizer, example) for example in reversed(examples))
    assert text.count(call) == 1
    assert text.endswith("At gate 7." + family.closing)
    # Beside call and answer only the template's own marks are learned: no question, no tool, no description.
    for foreign in ("Where", "Finds it", "<tool_response>"):
        assert foreign not in text
        assert foreign in "".join(pieces_of(tokenizer, examples[0].token_ids)) or family.name.startswith(
            "llama"
        )


def test_words_that_a_template_drops_beside_a_call_are_not_lost_silently() -> None:
    messages = (
        {"role": "user", "content": "Where is the quay?"},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]},
    )
    with pytest.raises(BadDatasetError, match="line 3: it leaves out the text beside a tool call"):
        ChatRenderer(BY_NAME["llama3_1"].tokenizer(), "Llama").examples(Conversation(3, messages), 500)


def test_thinking_is_learned_in_the_turn_it_belongs_to_and_not_shown_afterwards() -> None:
    family = BY_NAME["qwen3"]
    tokenizer = family.tokenizer()
    messages = talk(2, system=False)
    messages[1]["content"] = "<think>\nhmm one\n</think>\n\nfirst"
    messages[3]["content"] = "<think>\nhmm two\n</think>\n\nsecond"
    last, first = ChatRenderer(tokenizer, "Qwen").examples(Conversation(1, tuple(messages)), 500)
    assert learned(tokenizer, last) == "<think>\nhmm two\n</think>\n\nsecond<|im_end|>"
    assert learned(tokenizer, first) == "<think>\nhmm one\n</think>\n\nfirst<|im_end|>"
    assert "hmm one" not in "".join(pieces_of(tokenizer, last.token_ids))


@pytest.mark.parametrize("name", ["llama3_1", "llama3_2"])
def test_the_date_in_a_template_is_the_same_on_every_day(name: str) -> None:
    tokenizer = BY_NAME[name].tokenizer()
    (example,) = ChatRenderer(tokenizer, name).examples(Conversation(1, tuple(talk())), 5000)
    assert "Today Date: 26 Jul 2024\n" in "".join(pieces_of(tokenizer, example.token_ids))


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{ strftime_now('%Y-%m-%d') }};", "2024-07-26;"),
        ("{%- set day = strftime_now('%d %B %Y') %}{{ day.split(' ') | last }};", "2024;"),
        ("{% if strftime_now is defined %}{{ strftime_now('%A %H:%M') }};{% endif %}", "Friday 00:00;"),
        ("\n {{ strftime_now('%-d') }};", "\n 26;"),
    ],
)
def test_a_clock_in_a_template_stands_still_and_the_rest_is_untouched(template: str, shown: str) -> None:
    family = BY_NAME["chatml"]
    tokenizer = family.tokenizer()
    tokenizer.chat_template = template + family.template
    conversation = Conversation(1, tuple(talk(1, system=False)))
    (example,) = ChatRenderer(tokenizer, "Clock").examples(conversation, 5000)
    assert "".join(pieces_of(tokenizer, example.token_ids)).startswith(shown + "<|im_start|>user")
    assert datetime.now(UTC).strftime("%Y") not in shown
    assert tokenizer.chat_template == template + family.template


def test_a_line_break_inside_an_answer_is_learned_by_tokenizers_that_trim_their_offsets() -> None:
    from tokenizers import processors

    family = BY_NAME["chatml"]
    tokenizer = family.tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    messages = talk()
    examples = ChatRenderer(tokenizer, "Trimming").examples(Conversation(1, tuple(messages)), 5000)
    hold(family, tokenizer, examples, answers_of(messages))
