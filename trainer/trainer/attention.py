"""Causal attention over packed rows: each conversation attends to itself alone, with no mask and no padding.

The rows' conversations lie one after another; their lengths arrive as `documents`. On a GPU one variable-length
kernel (torch.nn.attention.varlen, FlashAttention) takes them all; elsewhere each conversation is its own call of
scaled_dot_product_attention. A dense mask over a packed row costs the square of its length; this costs the sum of
the squares of the conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

NAME = "documents"
# What FlashAttention takes.
KERNEL_DTYPES = (torch.bfloat16, torch.float16)
KERNEL_HEAD_SIZE = 256


@dataclass(frozen=True)
class Documents:
    """Lengths of the conversations of one packed row, in order, and their bounds as the kernel wants them."""

    lengths: tuple[int, ...]
    # int32, shape (conversations + 1,): where each begins, and the end of the last.
    bounds: torch.Tensor

    @property
    def longest(self) -> int:
        """Tokens of the longest one."""
        return max(self.lengths)


def documents(lengths: Sequence[int], device: torch.device) -> Documents:
    """The documents of a row on the device where attention runs."""
    ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return Documents(tuple(lengths), ends.to(device))


def register() -> None:
    """Make transformers know this attention by NAME; it then builds no mask for it. May be called again."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)


def suits(config: Any) -> bool:
    """Whether a model's attention is plain causal attention, perhaps in a sliding window; a soft cap on its scores
    is not."""
    return not getattr(config, "attn_logit_softcapping", None) and bool(getattr(config, "is_causal", True))


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    documents: Documents | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The output, shape (rows, positions, heads, head size), for query (rows, heads, positions, head size).

    Without `documents` every row is one conversation, padded on the right if at all, since causality alone hides
    padding from what comes before it; or the newest token of a generated text, which sees everything cached.
    """
    del module, attention_mask
    if dropout:
        raise ValueError("attention dropout is not supported here; LoRA's own dropout is")
    if documents is None:
        return _whole(query, key, value, scaling, sliding_window), None
    if _kernel_takes(query, value):
        return _by_kernel(query, key, value, scaling, sliding_window, documents), None
    pieces = [
        _whole(query[:, :, start:end], key[:, :, start:end], value[:, :, start:end], scaling, sliding_window)
        for start, end in _spans(documents.lengths)
    ]
    return torch.cat(pieces, dim=1), None


def _spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    spans, start = [], 0
    for length in lengths:
        spans.append((start, start + length))
        start += length
    return spans


def _whole(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
) -> torch.Tensor:
    asked, known = query.shape[2], key.shape[2]
    mask = None
    if (window is not None and known > window) or 1 < asked < known:
        places = torch.arange(known, device=query.device)
        behind = places[known - asked :, None] - places[None, :]
        mask = (behind >= 0) & (behind < (window or known))
    output = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None and asked > 1,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output.transpose(1, 2)


def _kernel_takes(query: torch.Tensor, value: torch.Tensor) -> bool:
    return query.is_cuda and query.dtype in KERNEL_DTYPES and value.shape[-1] <= KERNEL_HEAD_SIZE


def _by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
    documents: Documents,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    output = varlen_attn(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        documents.bounds,
        documents.bounds,
        documents.longest,
        documents.longest,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(output, torch.Tensor)  # a pair only where auxiliary results are asked for
    return output.unsqueeze(0)
