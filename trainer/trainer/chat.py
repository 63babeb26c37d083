"""Renders a conversation with the model's own chat template and marks the tokens the loss is taken on.

Assistant tokens are found by the template's generation markers where it has them; otherwise by rendering the
conversation up to each assistant turn with and without it and comparing character positions. Templates that write
earlier turns differently once others follow (some drop a turn's reasoning) are compared another way: what of the whole
text changes when only the words of one assistant turn do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError

from trainer.errors import BadDatasetError, ModelUnavailableError
from trainer.rows import Conversation, Message

# Some templates write today's date into the prompt. A run that is resumed tomorrow must read the same tokens, so for
# them it is always the day that Llama's own template names where it has no clock.
PROMPT_DAY = {
    "%d": "26",
    "%b": "Jul",
    "%B": "July",
    "%m": "07",
    "%Y": "2024",
    "%y": "24",
    "%A": "Friday",
    "%a": "Fri",
}
FIXED_CLOCK = (
    "{%- macro strftime_now(pattern) -%}{{ pattern"
    + "".join(f" | replace('{code}', '{value}')" for code, value in PROMPT_DAY.items())
    + " }}{%- endmacro -%}"
)
# Private-use characters: in no conversation, so that nothing before or after a turn can be mistaken for its words.
STAND_IN = "\ue0f0\ue0f1"
PROBE: tuple[Message, ...] = (
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "d"},
)
GENERATION_MARKER = re.compile(r"\{%-?\+?\s*generation\s*[-+]?%\}")


@dataclass(frozen=True)
class Example:
    """Token ids of one conversation; supervised[i] says whether token i was written by the assistant."""

    line: int
    token_ids: tuple[int, ...]
    supervised: tuple[bool, ...]
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def supervised_tokens(self) -> int:
        """Tokens that carry loss. The first token is never predicted, so it never counts."""
        return sum(self.supervised[1:])


class ChatRenderer:
    """One tokenizer and its template. Conversations the template cannot take raise BadDatasetError."""

    def __init__(self, tokenizer: Any, model_name: str) -> None:
        template = getattr(tokenizer, "chat_template", None)
        if not isinstance(template, str):
            raise ModelUnavailableError(
                f"{model_name} has no chat template, so conversations cannot be rendered for it. "
                "Choose an instruction-tuned model."
            )
        self._tokenizer = tokenizer
        self._model_name = model_name
        self._template = (FIXED_CLOCK if "strftime_now" in template else "") + template
        self._has_markers = bool(GENERATION_MARKER.search(template))
        self._special = sorted(tokenizer.all_special_tokens, key=len, reverse=True)
        self._spans = self._spans_by_prefix if self._keeps_prefixes() else self._spans_by_difference
        self.folded_systems = 0

    def example(self, conversation: Conversation, max_tokens: int) -> Example | None:
        """Tokens of a conversation, cut after the last assistant turn that fits; None when nothing is left to
        learn."""
        messages = list(conversation.messages)
        while messages and messages[-1]["role"] != "assistant":
            messages.pop()
        if not messages:
            return None
        token_ids, supervised = self._render(messages, conversation.line)
        truncated = False
        while len(token_ids) > max_tokens:
            truncated = True
            shorter = _without_last_exchange(messages)
            if not shorter:
                # Not even the first exchange fits: keep its beginning rather than lose the row.
                token_ids, supervised = token_ids[:max_tokens], supervised[:max_tokens]
                break
            messages = shorter
            token_ids, supervised = self._render(messages, conversation.line)
        if not any(supervised[1:]):
            return None
        return Example(conversation.line, tuple(token_ids), tuple(supervised), truncated)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Tokens that ask for the next assistant turn."""
        try:
            text = self._text(messages, add_generation_prompt=True)
        except TemplateError:
            text = self._text(_fold_system(messages), add_generation_prompt=True)
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, messages: list[Message], line: int) -> tuple[list[int], list[bool]]:
        try:
            return self._mask(messages)
        except (TemplateError, _NotPrefixPreservingError) as error:
            if messages[0]["role"] != "system":
                raise self._refusal(line, error) from error
        # Several templates know no system role, or move its text around; as the head of the first
        # question it says the same.
        try:
            result = self._mask(_fold_system(messages))
        except (TemplateError, _NotPrefixPreservingError) as error:
            raise self._refusal(line, error) from error
        self.folded_systems += 1
        return result

    def _refusal(self, line: int, error: Exception) -> BadDatasetError:
        return BadDatasetError(
            f"The chat template of {self._model_name} cannot take the conversation on line {line}: {error}. "
            "Make user and assistant turns alternate, or choose another base model.",
            line=line,
        )

    def _mask(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        full = self._text(messages)
        _require_all(messages, full)
        if not self._has_markers:
            return self._mask_by_spans(messages, full)
        encoded = self._tokenizer.apply_chat_template(
            list(messages),
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
            chat_template=self._template,
        )
        return list(encoded["input_ids"]), [bool(flag) for flag in encoded["assistant_masks"]]

    def _mask_by_spans(self, messages: Sequence[Message], full: str) -> tuple[list[int], list[bool]]:
        spans = self._spans(messages, full)
        encoded = self._tokenizer(full, add_special_tokens=False, return_offsets_mapping=True)
        supervised = [
            any(start <= left and right <= end and right > left for start, end in spans)
            for left, right in encoded["offset_mapping"]
        ]
        return list(encoded["input_ids"]), supervised

    def _keeps_prefixes(self) -> bool:
        """Whether the template writes a turn the same way whatever follows it."""
        try:
            self._spans_by_prefix(PROBE, self._text(PROBE))
        except _NotPrefixPreservingError:
            return False
        except TemplateError:
            # It refuses these turns for a reason of its own; real ones will be told about with their line.
            return True
        return True

    def _spans_by_prefix(self, messages: Sequence[Message], full: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        for position, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._text(messages[:position], add_generation_prompt=True)
            through = self._text(messages[: position + 1])
            if not full.startswith(before) or not full.startswith(through):
                raise _NotPrefixPreservingError(f"it changes earlier text when turn {position + 1} is added")
            # The line break after an end-of-turn token belongs to the template; a model stops before it.
            spans.append((len(before), len(through.rstrip("\n"))))
        return spans

    def _spans_by_difference(self, messages: Sequence[Message], full: str) -> list[tuple[int, int]]:
        """Each assistant turn's words as they stand in the whole text, with the token that ends the turn."""
        spans: list[tuple[int, int]] = []
        for position, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            other = [*messages[:position], {**message, "content": STAND_IN}, *messages[position + 1 :]]
            changed = self._text(other)
            if STAND_IN not in changed:
                raise _NotPrefixPreservingError(f"it leaves out what turn {position + 1} says")
            start = _alike(full, changed)
            end = len(full) - _alike(full[start:][::-1], changed[start:][::-1])
            ending = next((each for each in self._special if full.startswith(each, end)), "")
            spans.append((start, end + len(ending)))
        return spans

    def _text(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        text: str = self._tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            chat_template=self._template,
        )
        return text


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common from their start."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


class _NotPrefixPreservingError(Exception):
    """The template rewrites earlier turns or leaves one out, so positions cannot be compared."""


def _require_all(messages: Sequence[Message], full: str) -> None:
    """A template that knows no tool or system turns may drop them without a word; the answers to them would then be
    learned as answers to something else."""
    for position, message in enumerate(messages):
        said = message["content"].strip()
        if message["role"] != "assistant" and said not in full and json.dumps(said)[1:-1] not in full:
            raise _NotPrefixPreservingError(f"it leaves out turn {position + 1} (role {message['role']})")


def _fold_system(messages: Sequence[Message]) -> list[Message]:
    if len(messages) < 2 or messages[0]["role"] != "system" or messages[1]["role"] != "user":
        return list(messages)
    first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
    return [first, *messages[2:]]


def _without_last_exchange(messages: list[Message]) -> list[Message]:
    """The conversation up to the assistant turn before the last one; empty when there is none."""
    for end in range(len(messages) - 1, 0, -1):
        if messages[end - 1]["role"] == "assistant":
            return messages[:end]
    return []
