"""The memory estimate orders things rightly and keeps the effective batch."""

from __future__ import annotations

from trainer.memory import ModelShape, choose_batch, training_bytes

LLAMA_70B = ModelShape(8192, 80, 28672, 1024, 128256, False)
LLAMA_8B = ModelShape(4096, 32, 14336, 1024, 128256, False)
GIB = 1024**3


def test_a_70b_model_in_4_bits_fits_80_gb_only_with_recomputed_activations() -> None:
    choice = choose_batch(LLAMA_70B, 16, True, 2, 2048, 8, 79 * GIB)
    assert choice.fits
    assert choice.gradient_checkpointing
    assert choice.micro_batch >= 1


def test_a_70b_model_in_16_bits_does_not_fit_80_gb() -> None:
    assert not choose_batch(LLAMA_70B, 16, False, 2, 2048, 8, 79 * GIB).fits


def test_a_small_model_on_a_large_gpu_keeps_its_activations_and_its_batch() -> None:
    small = ModelShape(576, 30, 1536, 192, 49152, True)
    choice = choose_batch(small, 16, False, 2, 512, 8, 79 * GIB)
    assert (choice.micro_batch, choice.gradient_checkpointing) == (8, False)


def test_less_memory_never_means_a_larger_micro_batch() -> None:
    sizes = [choose_batch(LLAMA_8B, 16, True, 2, 2048, 16, gib * GIB) for gib in range(8, 81, 4)]
    recomputed = [choice.micro_batch for choice in sizes if choice.gradient_checkpointing]
    assert recomputed == sorted(recomputed)
    assert sizes[-1].fits
    assert not sizes[0].gradient_checkpointing or sizes[0].micro_batch < 16


def test_each_ingredient_costs_memory() -> None:
    base = training_bytes(LLAMA_8B, 16, True, 2, 4096, True)
    assert training_bytes(LLAMA_8B, 64, True, 2, 4096, True) > base
    assert training_bytes(LLAMA_8B, 16, False, 2, 4096, True) > base
    assert training_bytes(LLAMA_8B, 16, True, 2, 8192, True) > base
    assert training_bytes(LLAMA_8B, 16, True, 2, 4096, False) > base
