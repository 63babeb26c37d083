"""Packed conversations are kept apart by attention itself, with the numbers that each has on its own."""

from __future__ import annotations

import inspect
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.nn.attention import varlen
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from trainer import attention, model

CPU = torch.device("cpu")
LENGTHS = (9, 1, 23, 14)
KERNEL_SIGNATURE = inspect.signature(varlen.varlen_attn)


def heads(seed: int, count: int, positions: int) -> torch.Tensor:
    return torch.randn(1, count, positions, 8, generator=torch.Generator().manual_seed(seed))


def dense(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    output = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    return output.transpose(1, 2)


def mask_of(lengths: tuple[int, ...], window: int) -> torch.Tensor:
    """What may see what, written out: same conversation, not later, not further back than the window."""
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    place = torch.cat([torch.arange(length) for length in lengths])
    behind = place[:, None] - place[None, :]
    return (owner[:, None] == owner[None, :]) & (behind >= 0) & (behind < window)


@pytest.mark.parametrize("window", [None, 5])
def test_each_conversation_sees_itself_alone_and_only_backwards(window: int | None) -> None:
    total = sum(LENGTHS)
    query, key, value = heads(1, 4, total), heads(2, 2, total), heads(3, 2, total)
    output, _ = attention.attend(
        torch.nn.Module(),
        query,
        key,
        value,
        None,
        scaling=0.3,
        sliding_window=window,
        documents=attention.documents(LENGTHS, CPU),
    )
    torch.testing.assert_close(output, dense(query, key, value, mask_of(LENGTHS, window or total)))


def test_a_generated_token_sees_everything_cached_and_a_prompt_only_backwards() -> None:
    query, key, value = heads(1, 4, 12), heads(2, 2, 12), heads(3, 2, 12)
    whole, _ = attention.attend(torch.nn.Module(), query, key, value, None, scaling=0.3)
    last, _ = attention.attend(torch.nn.Module(), query[:, :, -1:], key, value, None, scaling=0.3)
    some, _ = attention.attend(torch.nn.Module(), query[:, :, -4:], key, value, None, scaling=0.3)
    torch.testing.assert_close(whole, dense(query, key, value, mask_of((12,), 12)))
    torch.testing.assert_close(last, whole[:, -1:])
    torch.testing.assert_close(some, whole[:, -4:])


def test_bounds_are_what_a_variable_length_kernel_takes() -> None:
    made = attention.documents(LENGTHS, CPU)
    assert made.bounds.tolist() == [0, 9, 10, 33, 47]
    assert made.bounds.dtype == torch.int32
    assert made.longest == 23


def shape(**changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": 61,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        **changes,
    }


@pytest.mark.parametrize("kind", ["llama", "mistral_with_a_window"])
def test_a_models_logits_in_a_packed_row_are_those_of_each_conversation_alone(kind: str) -> None:
    torch.manual_seed(0)
    made: Any = (
        LlamaForCausalLM(LlamaConfig(**shape()))
        if kind == "llama"
        else MistralForCausalLM(MistralConfig(**shape(sliding_window=6)))
    )
    made.eval()
    ids = [
        torch.randint(1, 61, (length,), generator=torch.Generator().manual_seed(length)) for length in LENGTHS
    ]
    with torch.no_grad():
        alone = torch.cat([made(input_ids=each[None], use_cache=False).logits[0] for each in ids])
        assert model.bound_attention(made)
        packed = made(
            input_ids=torch.cat(ids)[None],
            position_ids=torch.cat([torch.arange(length) for length in LENGTHS])[None],
            documents=attention.documents(LENGTHS, CPU),
            use_cache=False,
        ).logits[0]
        torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-5)
        ignored = made(
            input_ids=torch.cat(ids)[None],
            position_ids=torch.cat([torch.arange(length) for length in LENGTHS])[None],
            use_cache=False,
        ).logits[0]
    # Without the bounds the conversations would leak into one another: the comparison above can fail.
    assert (ignored - alone).abs().max() > 1e-3


def test_generation_gives_the_same_words_with_our_attention() -> None:
    torch.manual_seed(0)
    made = LlamaForCausalLM(LlamaConfig(**shape(eos_token_id=None))).eval()
    prompt = torch.tensor([[5, 9, 2, 44, 17]])
    wanted = {"max_new_tokens": 12, "do_sample": False, "attention_mask": torch.ones_like(prompt)}
    before = made.generate(prompt, **wanted)
    assert model.bound_attention(made)
    assert made.generate(prompt, **wanted).tolist() == before.tolist()


def test_models_with_capped_scores_keep_their_own_attention() -> None:
    assert not attention.suits(SimpleNamespace(attn_logit_softcapping=50.0))
    assert attention.suits(SimpleNamespace(attn_logit_softcapping=None))
    core = SimpleNamespace(config=SimpleNamespace(), _supports_attention_backend=False)
    assert not model.bound_attention(core)


def test_attention_dropout_is_refused_rather_than_forgotten() -> None:
    with pytest.raises(ValueError, match="attention dropout"):
        attention.attend(torch.nn.Module(), heads(1, 2, 3), heads(2, 2, 3), heads(3, 2, 3), None, dropout=0.1)


def reference_kernel(*arguments: Any, **settings: Any) -> torch.Tensor:
    """What the variable-length kernel promises, one conversation at a time; its signature is torch's own."""
    bound = KERNEL_SIGNATURE.bind(*arguments, **settings)
    bound.apply_defaults()
    given = bound.arguments
    query, key, value, bounds = given["query"], given["key"], given["value"], given["cu_seq_q"].tolist()
    assert given["cu_seq_k"].tolist() == bounds
    assert given["max_q"] == given["max_k"] == max(b - a for a, b in itertools.pairwise(bounds))
    back, ahead = given["window_size"]
    assert ahead == 0
    lengths = tuple(b - a for a, b in itertools.pairwise(bounds))
    mask = mask_of(lengths, back + 1 if back >= 0 else bounds[-1])
    assert query.shape[1] == key.shape[1] or given["enable_gqa"]
    output = functional.scaled_dot_product_attention(
        query.transpose(0, 1)[None],
        key.transpose(0, 1)[None],
        value.transpose(0, 1)[None],
        attn_mask=mask,
        scale=given["scale"],
        enable_gqa=True,
    )
    return output[0].transpose(0, 1)


@pytest.mark.parametrize("window", [None, 5])
def test_the_kernel_of_a_gpu_is_asked_for_the_same_thing(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = sum(LENGTHS)
    query, key, value = heads(1, 4, total), heads(2, 2, total), heads(3, 2, total)
    row: dict[str, Any] = {
        "scaling": 0.3,
        "sliding_window": window,
        "documents": attention.documents(LENGTHS, CPU),
    }
    here, _ = attention.attend(torch.nn.Module(), query, key, value, None, **row)
    monkeypatch.setattr(varlen, "varlen_attn", reference_kernel, raising=True)
    monkeypatch.setattr(attention, "_kernel_takes", lambda *_: True)
    there, _ = attention.attend(torch.nn.Module(), query, key, value, None, **row)
    torch.testing.assert_close(there, here)
