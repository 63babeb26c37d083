"""The memory estimate: its terms counted in PyTorch itself, its order, and what happens when memory runs out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from trainer.chat import Example
from trainer.resources import is_out_of_memory
from trainer.training_memory import (
    Plan,
    Shape,
    choose_batch,
    layer_bytes,
    longest_that_fits,
    micro_batches,
    needed_bytes,
)
from transformers import LlamaConfig, LlamaForCausalLM

from trainer import fused, loss, model

GIB = 1024**3
ALL = ("all-linear",)
LLAMA_70B = Plan(Shape(8192, 80, 28672, 8192, 1024, 128256, False), 16, ALL, True, True, 2)
LLAMA_8B = Plan(Shape(4096, 32, 14336, 4096, 1024, 128256, False), 16, ALL, True, True, 2)


def saved_bytes(layers: int, tokens: int, kind: torch.dtype) -> int:
    """Bytes that PyTorch keeps for the backward pass of a small Llama with our layers, each storage once, parameters
    left out."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    base: Any = LlamaForCausalLM(config)
    base.to(kind)
    peft = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    fused.fuse_adapters(peft)
    core = peft.get_base_model()
    bounded = model.bound_attention(core)
    example = Example(1, tuple(range(1, 41)) * (tokens // 40), (True,) * tokens)
    batch = loss.packed([example], [0], torch.device("cpu"), bounded)
    parameters = {each.untyped_storage().data_ptr() for each in peft.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16),
    ):
        total = loss.summed_loss(core, batch)
    assert total.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_layer_keeps_for_its_backward_pass_what_the_estimate_says(kind: torch.dtype) -> None:
    tokens = 400
    # The difference of two depths is one layer, without what exists once.
    counted = saved_bytes(4, tokens, kind) - saved_bytes(3, tokens, kind)
    shape = Shape(64, 1, 176, 64, 16, 50, False)
    plan = Plan(shape, 4, ALL, False, False, 2 if kind is torch.bfloat16 else 4)
    assert counted == pytest.approx(layer_bytes(plan, tokens), rel=0.12)


def test_a_70b_model_in_4_bits_fits_80_gb_only_with_recomputed_activations() -> None:
    choice = choose_batch(LLAMA_70B, 2048, 8, 79 * GIB)
    assert choice.fits
    assert choice.gradient_checkpointing
    assert choice.micro_batch >= 1


def test_a_70b_model_in_16_bits_does_not_fit_80_gb() -> None:
    whole = Plan(LLAMA_70B.shape, 16, ALL, False, False, 2)
    assert not choose_batch(whole, 2048, 8, 79 * GIB).fits
    assert longest_that_fits(whole, 2048, 79 * GIB) is None


def test_a_small_model_on_a_large_gpu_keeps_its_activations_and_its_batch() -> None:
    small = Plan(Shape(576, 30, 1536, 576, 192, 49152, True), 16, ALL, False, False, 2)
    choice = choose_batch(small, 512, 8, 79 * GIB)
    assert (choice.micro_batch, choice.gradient_checkpointing) == (8, False)


def test_less_memory_never_means_a_larger_micro_batch() -> None:
    sizes = [choose_batch(LLAMA_8B, 2048, 16, gib * GIB) for gib in range(8, 81, 4)]
    recomputed = [choice.micro_batch for choice in sizes if choice.gradient_checkpointing]
    assert recomputed == sorted(recomputed)
    assert sizes[-1].fits
    assert not sizes[0].gradient_checkpointing or sizes[0].micro_batch < 16


@pytest.mark.parametrize("batch_size", [1, 2, 6, 7, 16, 48])
def test_micro_batches_divide_the_batch_so_that_the_effective_one_holds(batch_size: int) -> None:
    sizes = micro_batches(batch_size)
    assert sizes[0] == batch_size
    assert sizes[-1] == 1
    assert all(batch_size % size == 0 for size in sizes)


def test_each_ingredient_costs_memory() -> None:
    def changed(**values: Any) -> Plan:
        known = {name: getattr(LLAMA_8B, name) for name in Plan.__dataclass_fields__}
        return Plan(**{**known, **values})

    base = needed_bytes(LLAMA_8B, 4096, True)
    assert needed_bytes(changed(rank=64), 4096, True) > base
    assert needed_bytes(changed(target_modules=("q_proj",)), 4096, True) < base
    assert needed_bytes(changed(four_bit=False), 4096, True) > base
    assert needed_bytes(changed(eight_bit_optimizer=False), 4096, True) > base
    assert needed_bytes(LLAMA_8B, 8192, True) > base
    assert needed_bytes(LLAMA_8B, 4096, False) > base


def test_the_longest_length_that_fits_really_fits_and_the_next_does_not() -> None:
    room = 24 * GIB
    longest = longest_that_fits(LLAMA_8B, 131072, room)
    assert longest is not None
    assert needed_bytes(LLAMA_8B, longest, True) <= room * 0.86 < needed_bytes(LLAMA_8B, longest + 128, True)


def test_the_cpu_allocators_words_count_as_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as failure:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(failure.value)
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ"))
