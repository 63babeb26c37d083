"""Losses and answers on conversations the adapter never saw, with and without it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from trainer import batches, loss
from trainer.chat import ChatRenderer, Example
from trainer.config import Job
from trainer.data import Prepared
from trainer.model import Loaded
from trainer.resources import Machine, is_out_of_memory
from trainer.rows import Conversation, Message, Tool

BRIEF_CONVERSATIONS = 16
BRIEF_SAMPLES = 2
LISTED_ROWS = 10
# Below this a row's loss differs by chance rather than by harm.
REGRESSION_SHARE = 0.02
TEXT_CHARACTERS = 2000
EXCERPT_CHARACTERS = 200


@dataclass(frozen=True)
class RowLoss:
    """Loss of one validation conversation: sum in nats over its supervised tokens."""

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """Nats per supervised token."""
        return self.total / max(1, self.tokens)

    def __add__(self, other: RowLoss) -> RowLoss:
        return RowLoss(self.total + other.total, self.tokens + other.tokens)


@dataclass(frozen=True)
class Evaluation:
    """The final look at an adapter. `rows` has every measured conversation: line, tokens, base_loss, loss."""

    base_loss: float | None
    loss: float | None
    rows: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    worst_rows: list[dict[str, Any]]
    regressed_rows: list[dict[str, Any]]


def validation_slice(prepared: Prepared, limit: int | None) -> tuple[list[Example], list[Conversation]]:
    """The examples of the first `limit` validation conversations, and those conversations beside them."""
    if limit is None:
        return prepared.validation, prepared.validation_conversations
    lines = set(list(dict.fromkeys(example.line for example in prepared.validation))[:limit])
    end = sum(example.line in lines for example in prepared.validation)
    return prepared.validation[:end], prepared.validation_conversations[:end]


def row_losses(
    loaded: Loaded,
    examples: Sequence[Example],
    machine: Machine,
    micro_batch: int,
    with_adapter: bool,
    check: Callable[[], None],
) -> list[RowLoss]:
    """Loss of every example, in order. Uses no random number and leaves the model in training mode.

    Where memory runs out it starts again with half as many conversations at a time.
    """
    try:
        return _row_losses(loaded, examples, machine, micro_batch, with_adapter, check)
    except RuntimeError as error:
        if micro_batch <= 1 or not is_out_of_memory(error):
            raise
    return row_losses(loaded, examples, machine, micro_batch // 2, with_adapter, check)


def _row_losses(
    loaded: Loaded,
    examples: Sequence[Example],
    machine: Machine,
    micro_batch: int,
    with_adapter: bool,
    check: Callable[[], None],
) -> list[RowLoss]:
    lengths = [len(example) for example in examples]
    rows = [(0.0, 0)] * len(examples)
    order = sorted(range(len(examples)), key=lambda index: lengths[index])
    loaded.peft.eval()
    with torch.no_grad(), nullcontext() if with_adapter else loaded.peft.disable_adapter():
        for indices in batches.split_padded(order, max(1, micro_batch)):
            check()
            batch = loss.padded(examples, indices, loaded.tokenizer.pad_token_id, machine.device)
            with torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.on_gpu):
                values, owners = loss.token_losses(loaded.core, batch)
            for index in indices:
                mine = values[owners == index]
                rows[index] = (mine.sum(dtype=torch.float64).item(), mine.numel())
    loaded.peft.train()
    return [RowLoss(total, tokens) for total, tokens in rows]


def mean_loss(rows: Sequence[RowLoss]) -> float | None:
    """Mean nats per supervised token over all rows; None without rows."""
    tokens = sum(row.tokens for row in rows)
    return sum(row.total for row in rows) / tokens if tokens else None


def perplexity(mean: float | None) -> float | None:
    """e to the loss; None when it is unknown or beyond what a float holds."""
    return math.exp(mean) if mean is not None and mean < 700 else None


def final(
    job: Job,
    loaded: Loaded,
    prepared: Prepared,
    machine: Machine,
    base_means: list[float] | None,
    brief: bool,
    check: Callable[[], None],
) -> Evaluation:
    """Evaluate base and adapter; `brief` looks at fewer rows and prompts, for a run that is about to hit its
    spend cap."""
    limit = job.evaluation.max_validation_conversations
    if brief:
        limit = min(limit if limit is not None else BRIEF_CONVERSATIONS, BRIEF_CONVERSATIONS)
    examples, conversations = validation_slice(prepared, limit)
    micro_batch = loaded.batch.micro_batch
    rows = row_losses(loaded, examples, machine, micro_batch, True, check)
    known = base_means is not None and len(base_means) >= len(examples)
    if known and base_means is not None:
        base = [RowLoss(mean * row.tokens, row.tokens) for mean, row in zip(base_means, rows, strict=False)]
    else:
        base = row_losses(loaded, examples, machine, micro_batch, False, check)
    listed = _by_conversation(examples, conversations, base, rows)
    regressed = [row for row in listed if row["loss"] > row["base_loss"] * (1 + REGRESSION_SHARE)]
    return Evaluation(
        base_loss=mean_loss(base),
        loss=mean_loss(rows),
        rows=[{key: row[key] for key in ("line", "tokens", "base_loss", "loss")} for row in listed],
        samples=_samples(job, loaded, prepared, machine, BRIEF_SAMPLES if brief else None, check),
        worst_rows=_shown(sorted(listed, key=lambda row: -row["loss"])),
        regressed_rows=_shown(sorted(regressed, key=lambda row: row["base_loss"] - row["loss"])),
    )


def _by_conversation(
    examples: Sequence[Example],
    conversations: Sequence[Conversation],
    base: Sequence[RowLoss],
    rows: Sequence[RowLoss],
) -> list[dict[str, Any]]:
    """One entry a conversation, also where it was made into several examples."""
    gathered: dict[int, tuple[Conversation, RowLoss, RowLoss]] = {}
    for example, conversation, before, after in zip(examples, conversations, base, rows, strict=True):
        _, earlier_before, earlier_after = gathered.get(
            example.line, (conversation, RowLoss(0.0, 0), RowLoss(0.0, 0))
        )
        gathered[example.line] = (conversation, earlier_before + before, earlier_after + after)
    return [
        {
            "line": line,
            "tokens": after.tokens,
            "base_loss": before.mean,
            "loss": after.mean,
            "excerpt": _excerpt(conversation),
        }
        for line, (conversation, before, after) in gathered.items()
    ]


def _shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "tokens"} for row in rows[:LISTED_ROWS]]


def _samples(
    job: Job,
    loaded: Loaded,
    prepared: Prepared,
    machine: Machine,
    limit: int | None,
    check: Callable[[], None],
) -> list[dict[str, Any]]:
    """The same questions answered greedily by base and adapter: the job's own first, then validation ones."""
    asked: list[tuple[list[Message], tuple[Tool, ...], str | None]] = [
        ([{"role": "user", "content": text}], (), None) for text in job.evaluation.prompts
    ]
    different = {each.line: each for each in prepared.validation_conversations}
    for conversation in list(different.values())[: job.evaluation.sample_prompts]:
        answer_at = next(
            at for at, message in enumerate(conversation.messages) if message["role"] == "assistant"
        )
        if answer_at > 0:
            asked.append(
                (
                    list(conversation.messages[:answer_at]),
                    conversation.tools,
                    _reference(conversation.messages[answer_at]),
                )
            )
    renderer = ChatRenderer(loaded.tokenizer, job.base_model.name)
    samples = []
    for messages, tools, reference in asked[:limit]:
        check()
        prompt = renderer.prompt_ids(messages, tools)
        room = job.base_model.context_length - len(prompt)
        if room < 1:
            continue
        new_tokens = min(job.evaluation.max_new_tokens, room)
        with loaded.peft.disable_adapter():
            base = generate(loaded, prompt, new_tokens, machine)
        check()
        samples.append(
            {
                "prompt": messages[-1]["content"][:TEXT_CHARACTERS],
                "system": messages[0]["content"][:TEXT_CHARACTERS]
                if messages[0]["role"] == "system"
                else None,
                "reference": reference[:TEXT_CHARACTERS] if reference is not None else None,
                "base": base[:TEXT_CHARACTERS],
                "adapter": generate(loaded, prompt, new_tokens, machine)[:TEXT_CHARACTERS],
            }
        )
    return samples


def generate(loaded: Loaded, prompt: list[int], new_tokens: int, machine: Machine) -> str:
    """The greedy answer to a prompt, at most `new_tokens` tokens."""
    ids = torch.tensor([prompt], device=machine.device)
    loaded.peft.eval()
    with torch.no_grad(), torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.on_gpu):
        output = loaded.core.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            use_cache=True,
            pad_token_id=loaded.tokenizer.pad_token_id,
        )
    loaded.peft.train()
    text: str = loaded.tokenizer.decode(output[0][len(prompt) :], skip_special_tokens=True)
    return text.strip()


def _reference(answer: Message) -> str:
    """What the conversation says at the place asked about; a call of a tool as JSON."""
    calls = [json.dumps(call["function"], ensure_ascii=False) for call in answer.get("tool_calls", ())]
    return "\n".join([*([answer["content"]] if answer["content"] else []), *calls])


def _excerpt(conversation: Conversation) -> str:
    asked = next((message["content"] for message in conversation.messages if message["role"] == "user"), "")
    return " ".join(asked.split())[:EXCERPT_CHARACTERS]
