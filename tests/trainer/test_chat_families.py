"""The loss falls on the assistant's words and the token that ends them, in every family's own template."""

from __future__ import annotations

from typing import Any

import pytest
from trainer.chat import ChatRenderer, Example
from trainer.errors import BadDatasetError
from trainer.rows import Conversation, Message

from tests.trainer.chat_families import FAMILIES, TEMPLATES, Family, tokenizer_of

ANSWERS = ("Zebra answers first, quietly.", 'Then the walrus says "yes".', "Lastly: an okapi!")
USERS = ("Who speaks first?", "And then?", "Who is last?")
SYSTEM = "Be a patient zoo keeper."
TOOL = "The zoo opens at nine."


def messages(*parts: str) -> tuple[Message, ...]:
    """`s`ystem, `u`ser, `a`ssistant and `t`ool turns with words of their own."""
    users, answers = iter(USERS), iter(ANSWERS)
    said = {"s": lambda: SYSTEM, "u": lambda: next(users), "a": lambda: next(answers), "t": lambda: TOOL}
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return tuple({"role": roles[part], "content": said[part]()} for part in parts)


def runs(family: Family, example: Example) -> list[str]:
    """The supervised stretches, each decoded on its own, closing tokens included."""
    stretches: list[list[int]] = []
    before = False
    for token, supervised in zip(example.token_ids, example.supervised, strict=True):
        if supervised and not before:
            stretches.append([])
        if supervised:
            stretches[-1].append(token)
        before = supervised
    return [str(tokenizer_of(family).decode(stretch)) for stretch in stretches]


def rendered(family: Family, *parts: str, limit: int = 4000) -> Example:
    made = ChatRenderer(tokenizer_of(family), family.name).example(Conversation(7, messages(*parts)), limit)
    assert made is not None
    return made


def all_families(**needs: Any) -> pytest.MarkDecorator:
    chosen = [each for each in FAMILIES if all(getattr(each, name) == value for name, value in needs.items())]
    return pytest.mark.parametrize("family", chosen, ids=lambda each: each.name)


def expected(family: Family, count: int) -> list[str]:
    # Mistral's format puts a space before an answer; a model says it, so it is learned.
    space = " " if family.name == "mistral" else ""
    return [f"{space}{answer}{family.end}" for answer in ANSWERS[:count]]


@all_families()
@pytest.mark.parametrize("parts", ["ua", "uaua", "uauaua", "sua", "suaua"])
def test_exactly_the_answers_and_their_ends_are_learned(family: Family, parts: str) -> None:
    example = rendered(family, *parts)
    assert runs(family, example) == expected(family, parts.count("a"))
    text = tokenizer_of(family).decode(example.token_ids)
    for message in messages(*parts):
        assert message["content"] in text


@all_families()
def test_a_family_with_a_first_token_has_it_once_and_does_not_learn_it(family: Family) -> None:
    example = rendered(family, *"uaua")
    if family.bos is not None:
        first = tokenizer_of(family).convert_tokens_to_ids(family.bos)
        assert example.token_ids.count(first) == 1
        assert example.token_ids[0] == first
    assert not example.supervised[0]


@all_families(tools=True)
def test_what_tools_say_is_read_and_not_learned(family: Family) -> None:
    example = rendered(family, *"uata")
    assert runs(family, example) == expected(family, 2)
    assert TOOL in tokenizer_of(family).decode(example.token_ids)


@all_families(tools=False)
def test_a_family_without_tool_turns_refuses_them_by_line_instead_of_dropping_them(family: Family) -> None:
    with pytest.raises(BadDatasetError, match=r"line 7: .*"):
        rendered(family, *"uata")


@all_families(system=False)
def test_a_family_without_system_turns_reads_them_in_the_first_question(family: Family) -> None:
    renderer = ChatRenderer(tokenizer_of(family), family.name)
    example = renderer.example(Conversation(1, messages(*"sua")), 4000)
    assert example is not None
    assert renderer.folded_systems == 1
    assert f"{SYSTEM}\n\n{USERS[0]}" in tokenizer_of(family).decode(example.token_ids)


@all_families()
def test_every_limit_cuts_at_a_turn_or_keeps_the_beginning(family: Family) -> None:
    whole = rendered(family, *"suauaua")
    renderer = ChatRenderer(tokenizer_of(family), family.name)
    counts = set()
    for limit in range(len(whole), 8, -1):
        example = renderer.example(Conversation(1, messages(*"suauaua")), limit)
        if example is None:
            continue
        assert len(example) <= limit
        assert example.truncated == (limit < len(whole))
        found = runs(family, example)
        complete = found == expected(family, len(found))
        assert complete or (len(found) == 1 and expected(family, 1)[0].startswith(found[0]))
        counts.add(len(found))
    assert counts == {1, 2, 3}


@all_families()
def test_another_day_reads_the_same_tokens(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.utils import chat_template_utils

    today = rendered(family, *"suaua")
    chat_template_utils._compile_jinja_template.cache_clear()

    class Tomorrow(chat_template_utils.datetime):  # type: ignore[name-defined, misc]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz).replace(year=2031)

    monkeypatch.setattr(chat_template_utils, "datetime", Tomorrow)
    assert rendered(family, *"suaua") == today


@pytest.mark.parametrize("name", ["llama3", "qwen2_5", "gemma", "gemma3", "phi3"])
def test_the_mask_is_that_of_the_familys_training_template(name: str) -> None:
    family = next(each for each in FAMILIES if each.name == name)
    ours = runs(family, rendered(family, *"uauaua"))
    tokenizer = tokenizer_of(family)
    original = tokenizer.chat_template
    tokenizer.chat_template = (TEMPLATES / f"{name}_training.jinja").read_text(encoding="utf-8")
    try:
        marked = runs(family, rendered(family, *"uauaua"))
    finally:
        tokenizer.chat_template = original
    # The marked ones may also hold line breaks that belong to the template, and the last one the end of the text.
    assert [each.strip("\n") for each in marked[:-1]] == ours[:-1]
    assert marked[-1].strip("\n").removeprefix(ours[-1]).strip("\n") in ("", family.end)


def test_reasoning_that_a_template_drops_from_earlier_turns_is_learned_in_the_last_one_only() -> None:
    family = next(each for each in FAMILIES if each.name == "qwen3")
    turns: tuple[Message, ...] = (
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "<think>\nEasy sum.\n</think>\n\nFour."},
        {"role": "user", "content": "3+3?"},
        {"role": "assistant", "content": "<think>\nAlso easy.\n</think>\n\nSix."},
    )
    example = ChatRenderer(tokenizer_of(family), "qwen3").example(Conversation(1, turns), 4000)
    assert example is not None
    first, last = runs(family, example)
    assert first == "Four.<|im_end|>"
    assert "Also easy." in last
    assert last.endswith("Six.<|im_end|>")
    assert "Easy sum." not in tokenizer_of(family).decode(example.token_ids)
