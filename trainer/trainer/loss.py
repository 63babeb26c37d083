"""The language-model loss on supervised tokens only, for padded and for packed batches.

Packed rows hold several conversations one after another. The model keeps them apart only when it is given
position_ids that restart at 0, no attention mask, and no cache; anything else lets them see each other
without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from trainer import attention, fused
from trainer.chat import Example

IGNORED = -100
HEAD_CHUNK_TOKENS = 2048


@dataclass(frozen=True)
class Batch:
    """Model inputs with, for each position, the token to predict there and the example it belongs to.

    All tensors have shape (rows, positions); targets are IGNORED where nothing is learned.
    """

    inputs: dict[str, Any]
    targets: torch.Tensor
    owners: torch.Tensor
    tokens: int


def targets_of(example: Example) -> list[int]:
    """For each position the supervised token that follows it, else IGNORED. The last position predicts
    nothing."""
    following = zip(example.token_ids[1:], example.supervised[1:], strict=True)
    return [token if supervised else IGNORED for token, supervised in following] + [IGNORED]


def padded(examples: Sequence[Example], indices: Sequence[int], pad_id: int, device: torch.device) -> Batch:
    """One row per example, padded on the right to the longest."""
    chosen = [examples[index] for index in indices]
    width = max(len(example) for example in chosen)
    ids = [list(example.token_ids) + [pad_id] * (width - len(example)) for example in chosen]
    mask = [[1] * len(example) + [0] * (width - len(example)) for example in chosen]
    targets = [targets_of(example) + [IGNORED] * (width - len(example)) for example in chosen]
    owners = [[index] * width for index in indices]
    return Batch(
        inputs={
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        },
        targets=torch.tensor(targets, device=device),
        owners=torch.tensor(owners, device=device),
        tokens=sum(len(example) for example in chosen),
    )


def packed(
    examples: Sequence[Example], indices: Sequence[int], device: torch.device, bounded: bool = False
) -> Batch:
    """All examples in one row, positions restarting at each; `bounded` for a model that uses our attention."""
    ids: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for index in indices:
        example = examples[index]
        ids.extend(example.token_ids)
        positions.extend(range(len(example)))
        targets.extend(targets_of(example))
        owners.extend([index] * len(example))
    inputs: dict[str, Any] = {
        "input_ids": torch.tensor([ids], device=device),
        "position_ids": torch.tensor([positions], device=device),
    }
    if bounded:
        inputs["documents"] = attention.documents([len(examples[index]) for index in indices], device)
    return Batch(
        inputs=inputs,
        targets=torch.tensor([targets], device=device),
        owners=torch.tensor([owners], device=device),
        tokens=len(ids),
    )


def summed_loss(core: Any, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood of all supervised tokens in nats, a scalar with its gradient.

    `core` is the causal language model (adapters injected, everything else frozen).
    """
    if type(core.get_output_embeddings()) is not torch.nn.Linear:
        # A head with adapters of its own, or in 4 bits, needs the general way.
        values, _ = token_losses(core, batch)
        return values.sum()
    hidden = core.get_decoder()(**batch.inputs, use_cache=False).last_hidden_state
    wanted = batch.targets != IGNORED
    return fused.head_loss(core, hidden[wanted], batch.targets[wanted])


def token_losses(core: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihoods in nats, shape (supervised tokens,), and the example each belongs to.

    `core` is the causal language model (adapters injected). Logits are computed for supervised positions only
    and in
    chunks, because a large vocabulary makes them the biggest tensor of a step.
    """
    hidden = core.get_decoder()(**batch.inputs, use_cache=False).last_hidden_state
    wanted = batch.targets != IGNORED
    selected, targets = hidden[wanted], batch.targets[wanted]
    head = core.get_output_embeddings()
    softcap = getattr(core.config, "final_logit_softcapping", None)

    def chunk_loss(states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = head(states).float()
        if softcap:
            logits = torch.tanh(logits / softcap) * softcap
        return functional.cross_entropy(logits, labels, reduction="none")

    pieces = []
    for start in range(0, len(targets), HEAD_CHUNK_TOKENS):
        states, labels = (
            selected[start : start + HEAD_CHUNK_TOKENS],
            targets[start : start + HEAD_CHUNK_TOKENS],
        )
        if len(targets) > HEAD_CHUNK_TOKENS and torch.is_grad_enabled():
            pieces.append(checkpoint(chunk_loss, states, labels, use_reentrant=False))
        else:
            pieces.append(chunk_loss(states, labels))
    losses = torch.cat(pieces) if pieces else selected.sum(dim=-1).float()
    return losses, batch.owners[wanted]
