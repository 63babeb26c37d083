"""Renders a conversation with the model's own chat template and marks the tokens the loss is taken on.

Assistant tokens are found by the template's generation markers where it has them; otherwise by rendering the
conversation up to each assistant turn with and without it and comparing character positions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2.exceptions import TemplateError

from trainer.errors import BadDatasetError, ModelUnavailableError
from trainer.rows import Conversation, Message, Tool
from trainer.template import ChatTemplate, TurnLeftOutError

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


@dataclass(frozen=True)
class _Marked:
    """Tokens of some turns; `apart` are the positions of assistant turns that look different once others
    follow, so that the model never sees them asked for and answered as they stand here."""

    token_ids: list[int]
    supervised: list[bool]
    apart: tuple[int, ...] = ()


class ChatRenderer:
    """One tokenizer and its template. Conversations the template cannot take raise BadDatasetError."""

    def __init__(self, tokenizer: Any, model_name: str) -> None:
        source = getattr(tokenizer, "chat_template", None)
        if not isinstance(source, str):
            raise ModelUnavailableError(
                f"{model_name} has no chat template, so conversations cannot be rendered for it. "
                "Choose an instruction-tuned model."
            )
        self._tokenizer = tokenizer
        self._template = ChatTemplate(tokenizer, source)
        self._model_name = model_name
        self._has_markers = bool(GENERATION_MARKER.search(source))
        self._enders = tuple(token for token in tokenizer.get_added_vocab() if token.strip())
        self.folded_systems = 0

    def examples(self, conversation: Conversation, max_tokens: int) -> list[Example]:
        """The conversation as one example, then one more for each assistant turn that has to be learned apart.

        The example is cut after the last assistant turn that fits; the list is empty when nothing is left to
        learn. Templates that show an answer differently once the conversation goes on (Qwen3 drops the
        thinking of earlier turns) get each such answer as the end of an example of its own, as it will be
        asked for.
        """
        messages = _through_last_answer(conversation.messages)
        if not messages:
            return []
        messages, marked = self._render(messages, conversation)
        truncated = len(marked.token_ids) > max_tokens
        if truncated:
            messages = self._shortened(messages, conversation.tools, max_tokens)
            marked = self._mask(messages, conversation.tools)
        ids, supervised = marked.token_ids[:max_tokens], marked.supervised[:max_tokens]
        if not any(supervised[1:]):
            return []
        apart = [self._last_answer(messages[: at + 1], conversation) for at in marked.apart]
        fitting = [example for example in apart if len(example) <= max_tokens]
        truncated = truncated or len(fitting) < len(apart)
        whole = Example(conversation.line, tuple(ids), tuple(supervised), truncated)
        return [whole, *(replace(example, truncated=truncated) for example in fitting)]

    def example(self, conversation: Conversation, max_tokens: int) -> Example | None:
        """The first of `examples`; None when there is none."""
        found = self.examples(conversation, max_tokens)
        return found[0] if found else None

    def prompt_ids(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """Tokens that ask for the next assistant turn."""
        try:
            text = self._template.text(messages, tools, prompt=True)
        except TemplateError:
            text = self._template.text(_fold_system(messages), tools, prompt=True)
        return self._tokens(text)

    def _render(self, messages: list[Message], conversation: Conversation) -> tuple[list[Message], _Marked]:
        """The turns as the template takes them, and their tokens."""
        try:
            return messages, self._checked(messages, conversation.tools)
        except (TemplateError, TypeError, TurnLeftOutError, _PromptDiffersError) as error:
            if messages[0]["role"] != "system":
                raise self._refusal(conversation.line, error) from error
        # Several templates know no system role, or move its text around; as the head of the first
        # question it says the same.
        folded = _fold_system(messages)
        try:
            marked = self._checked(folded, conversation.tools)
        except (TemplateError, TypeError, TurnLeftOutError, _PromptDiffersError) as error:
            raise self._refusal(conversation.line, error) from error
        self.folded_systems += 1
        return folded, marked

    def _checked(self, messages: Sequence[Message], tools: Sequence[Tool]) -> _Marked:
        self._template.check_complete(messages, tools)
        return self._mask(messages, tools)

    def _refusal(self, line: int, error: Exception) -> BadDatasetError:
        return BadDatasetError(
            f"The chat template of {self._model_name} cannot take the conversation on line {line}: {error}. "
            "Make user and assistant turns alternate, leave out tools, or choose another base model.",
            line=line,
        )

    def _shortened(self, messages: list[Message], tools: Sequence[Tool], max_tokens: int) -> list[Message]:
        """The turns through the last assistant turn that fits; the first exchange where not even that fits:
        its beginning is kept rather than the row lost."""
        while shorter := _without_last_exchange(messages):
            messages = shorter
            if len(self._tokens(self._template.text(messages, tools))) <= max_tokens:
                break
        return messages

    def _last_answer(self, messages: Sequence[Message], conversation: Conversation) -> Example:
        """An example that ends with an assistant turn and teaches that turn only."""
        before = self._template.text(messages[:-1], conversation.tools, prompt=True)
        text = self._template.text(messages, conversation.tools)
        ids, supervised = self._mark(text, [(len(before), len(self._trimmed(text)))])
        return Example(conversation.line, tuple(ids), tuple(supervised))

    def _mask(self, messages: Sequence[Message], tools: Sequence[Tool]) -> _Marked:
        if self._has_markers:
            return _Marked(*self._template.tokens_and_markers(messages, tools))
        full = self._template.text(messages, tools)
        spans: list[tuple[int, int]] = []
        apart: list[int] = []
        for position, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            if position == 0:
                raise _PromptDiffersError("the assistant speaks before anybody asked")
            before = self._template.text(messages[:position], tools, prompt=True)
            through = self._template.text(messages[: position + 1], tools)
            if not through.startswith(before):
                raise _PromptDiffersError(
                    f"what it writes to ask for turn {position + 1} is not how that turn begins"
                )
            end = self._end_of_turn(full, len(before), through) if full.startswith(before) else None
            if end is None:
                apart.append(position)
            else:
                spans.append((len(before), end))
        return _Marked(*self._mark(full, spans), tuple(apart))

    def _end_of_turn(self, full: str, start: int, through: str) -> int | None:
        """Where in the whole text the turn ends that is last in `through`; None when it looks different there."""
        turn = self._trimmed(through)
        if full.startswith(turn[start:], start):
            return len(turn)
        # Phi-3 closes the last turn with an end-of-text token after the token that ends every turn.
        closed = self._trimmed(turn.removesuffix(self._tokenizer.eos_token or ""))
        if closed.endswith(self._enders) and full.startswith(closed[start:], start):
            return len(closed)
        return None

    def _trimmed(self, text: str) -> str:
        """Without the white space after an end-of-turn token: it belongs to the template, a model stops before
        it."""
        bare = text.rstrip()
        return bare if bare.endswith(self._enders) else text.rstrip("\n")

    def _mark(self, text: str, spans: Sequence[tuple[int, int]]) -> tuple[list[int], list[bool]]:
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        # Some tokenizers leave white space out of the offsets, so that a line break inside an answer covers
        # nothing.
        supervised = [
            any(
                start <= left and right <= end and (right > left or start < left < end)
                for start, end in spans
            )
            for left, right in encoded["offset_mapping"]
        ]
        return list(encoded["input_ids"]), supervised

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


class _PromptDiffersError(Exception):
    """What asks for a turn is not what the turn begins with, so what the model has to say cannot be told."""


def _through_last_answer(messages: Sequence[Message]) -> list[Message]:
    last = max((at for at, turn in enumerate(messages) if turn["role"] == "assistant"), default=-1)
    return list(messages[: last + 1])


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
