"""One model's chat template: renders turns to text, the same text on every day, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from trainer.rows import Message, Tool

# Some templates put today's date into the system turn. A run that is resumed tomorrow must tokenise the same,
# so the date is always this one: what the Llama 3 templates themselves write where there is no clock.
TEMPLATE_DATE = datetime(2024, 7, 26, tzinfo=UTC)
DATE_STRING = TEMPLATE_DATE.strftime("%d %b %Y")
_CLOCK = "strftime_now"
_DIRECTIVES = "aAbBcdHIjmMpSUwWxXyYFTDe"


class TurnLeftOutError(Exception):
    """The template renders the conversation but silently drops one of its parts; `role` says whose."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"it leaves out the {part}")
        self.role = role


def reads_clock(source: str) -> bool:
    """Whether a template writes today's date by itself."""
    return _CLOCK in source


class ChatTemplate:
    """A tokenizer's template. Rendering raises jinja2's TemplateError where the template refuses."""

    def __init__(self, tokenizer: Any, source: str) -> None:
        self._tokenizer = tokenizer
        self._arguments: dict[str, Any] = {"date_string": DATE_STRING}
        if reads_clock(source):
            self._arguments["chat_template"] = _without_clock(source)
        self._complete: set[tuple[Any, ...]] = set()

    def text(self, messages: Sequence[Message], tools: Sequence[Tool] = (), prompt: bool = False) -> str:
        """The conversation as text; with `prompt`, followed by what asks for the next assistant turn."""
        text: str = self._tokenizer.apply_chat_template(
            list(messages),
            tools=list(tools) or None,
            tokenize=False,
            add_generation_prompt=prompt,
            **self._arguments,
        )
        return text

    def tokens_and_markers(
        self, messages: Sequence[Message], tools: Sequence[Tool]
    ) -> tuple[list[int], list[bool]]:
        """Token ids, and which of them the template's own generation markers enclose."""
        encoded = self._tokenizer.apply_chat_template(
            list(messages),
            tools=list(tools) or None,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
            **self._arguments,
        )
        return list(encoded["input_ids"]), [bool(flag) for flag in encoded["assistant_masks"]]

    def check_complete(self, messages: Sequence[Message], tools: Sequence[Tool]) -> None:
        """Raise TurnLeftOutError unless every turn that is read, every call and every tool reaches the text.

        Whether one does depends on the roles alone, so conversations of the same shape are looked at once. The
        looking is done with words of our own, because templates may trim or quote what users wrote.
        """
        shape = (bool(tools), *(_shape(turn) for turn in messages))
        if shape in self._complete:
            return
        probe, words = _probe(messages)
        named = [_renamed(tool, f"tool{at}word") for at, tool in enumerate(tools)]
        text = self.text(probe, named)
        for word, role, part in words:
            if word not in text:
                raise TurnLeftOutError(role, part)
        if any(f"tool{at}word" not in text for at in range(len(tools))):
            raise TurnLeftOutError("tools", 'list of "tools"')
        self._complete.add(shape)


def _without_clock(source: str) -> str:
    """The template with its clock stopped: a macro of the same name comes before the built-in function."""
    replacements = "".join(
        f".replace('%{flag}{letter}', '{TEMPLATE_DATE.strftime('%' + flag + letter)}')"
        for letter in _DIRECTIVES
        for flag in ("", "-")
    )
    macro = f"{{% macro {_CLOCK}(format) %}}{{{{ format{replacements} }}}}{{% endmacro %}}"
    # The line break is eaten with the block, so the template's own first character stays the first.
    return f"{macro}\n{source}"


def _probe(messages: Sequence[Message]) -> tuple[list[Message], list[tuple[str, str, str]]]:
    """The turns with one unmistakable word in each place that must show: (word, role, what it stands for)."""
    probe: list[Message] = []
    words: list[tuple[str, str, str]] = []
    for at, turn in enumerate(messages):
        changed = deepcopy(turn)
        if turn["role"] != "assistant":
            changed["content"] = f"turn{at}word"
            words.append((f"turn{at}word", turn["role"], f"{turn['role']} turn"))
        elif _shape(turn)[2]:
            changed["content"] = f"turn{at}word"
            words.append((f"turn{at}word", "assistant", "text beside a tool call"))
        for number, call in enumerate(changed.get("tool_calls", ())):
            call["function"]["name"] = f"call{at}of{number}word"
            words.append((call["function"]["name"], "assistant", "assistant's tool call"))
        probe.append(changed)
    return probe, words


def _shape(turn: Message) -> tuple[str, int, bool]:
    """Role, calls, and whether there is text beside them: what decides how a turn is rendered."""
    calls = len(turn.get("tool_calls", ()))
    return turn["role"], calls, bool(calls and turn["content"])


def _renamed(tool: Tool, name: str) -> Tool:
    changed = deepcopy(tool)
    changed["function"]["name"] = name
    return changed
