"""The loss of padded, packed and single conversations is the same number, and it is pinned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from trainer.chat import ChatRenderer, Example
from trainer.model_cache import load_tokenizer
from trainer.rows import Conversation
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from tests.trainer.trainer_support import conversations
from trainer import loss

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(models_dir: Path) -> Path:
    return next(models_dir.glob("*@*"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def examples(folder: Path) -> list[Example]:
    renderer = ChatRenderer(load_tokenizer(folder), "Tiny")
    rows = [Conversation(at, tuple(row["messages"])) for at, row in enumerate(conversations(8))]
    found = [renderer.example(row, 256) for row in rows]
    return [example for example in found if example is not None]


def by_example(model: Any, batch: loss.Batch) -> dict[int, float]:
    with torch.no_grad():
        values, owners = loss.token_losses(model, batch)
    return {int(owner): values[owners == owner].sum().item() for owner in owners.unique()}


def reference(model: Any, example: Example) -> float:
    """The textbook loss of one conversation: all logits, no batching."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([example.token_ids]), use_cache=False).logits[0, :-1]
    labels = torch.tensor(
        [t if s else -100 for t, s in zip(example.token_ids, example.supervised, strict=True)]
    )[1:]
    return torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum").item()


def test_packed_and_padded_losses_equal_the_unbatched_ones(model: Any, examples: list[Example]) -> None:
    expected = {at: pytest.approx(reference(model, example), rel=1e-5) for at, example in enumerate(examples)}
    everything = list(range(len(examples)))
    assert by_example(model, loss.packed(examples, everything, CPU)) == expected
    assert by_example(model, loss.padded(examples, everything, 3, CPU)) == expected


def test_packing_without_restarting_positions_would_be_noticed(model: Any, examples: list[Example]) -> None:
    batch = loss.packed(examples, [0, 1, 2], CPU)
    width = batch.inputs["input_ids"].shape[1]
    leaking = loss.Batch(
        {**batch.inputs, "position_ids": torch.arange(width)[None]}, batch.targets, batch.owners, batch.tokens
    )
    assert by_example(model, leaking)[2] != pytest.approx(by_example(model, batch)[2], rel=1e-3)


def test_the_first_token_of_a_packed_conversation_is_not_predicted_from_the_one_before(
    examples: list[Example],
) -> None:
    batch = loss.packed(examples, [0, 1], CPU)
    assert batch.targets[0, len(examples[0]) - 1].item() == loss.IGNORED
    assert batch.inputs["position_ids"][0, len(examples[0])].item() == 0


def test_chunking_the_head_changes_neither_loss_nor_gradient(
    model: Any, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradient() -> tuple[float, torch.Tensor]:
        model.zero_grad()
        values, _ = loss.token_losses(model, loss.packed(examples, [0, 1, 2, 3], CPU))
        values.sum().backward()
        return values.sum().item(), model.model.layers[0].mlp.up_proj.weight.grad.clone()

    whole_loss, whole = gradient()
    monkeypatch.setattr(loss, "HEAD_CHUNK_TOKENS", 7)
    chunked_loss, chunked = gradient()
    model.zero_grad(set_to_none=True)
    assert chunked_loss == pytest.approx(whole_loss, rel=1e-6)
    torch.testing.assert_close(chunked, whole, rtol=1e-4, atol=1e-6)


def test_a_final_softcap_is_applied_as_the_model_does_itself(model: Any, examples: list[Example]) -> None:
    batch = loss.padded(examples, [0], 3, CPU)
    plain = by_example(model, batch)[0]
    model.config.final_logit_softcapping = 1.0
    try:
        capped = by_example(model, batch)[0]
    finally:
        del model.config.final_logit_softcapping
    assert capped != pytest.approx(plain, rel=1e-3)


def test_the_first_losses_of_a_seeded_model_are_pinned() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    examples = [
        Example(1, tuple((7 * at + 3) % 97 for at in range(length)), tuple(at > 2 for at in range(length)))
        for length in (9, 14, 21, 30)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    seen = []
    for _ in range(4):
        values, _ = loss.token_losses(model, loss.padded(examples, [0, 1, 2, 3], 0, CPU))
        values.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        seen.append(values.mean().item())
    pinned = json.loads((Path(__file__).parent / "pinned_losses.json").read_text())
    assert seen == pytest.approx(pinned, abs=2e-4)
