"""The fused layers give the losses and gradients of peft and of cross_entropy."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from trainer.chat import Example
from transformers import LlamaConfig, LlamaForCausalLM

from trainer import fused, loss

CPU = torch.device("cpu")
EXAMPLES = [
    Example(
        at,
        tuple((7 * at + 11 * place) % 90 + 1 for place in range(size)),
        tuple(place > 3 for place in range(size)),
    )
    for at, size in enumerate((12, 25, 7))
]


def adapted(dropout: float) -> Any:
    torch.manual_seed(0)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=97,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            pad_token_id=0,
            attention_bias=True,
        )
    )
    made = get_peft_model(
        base,
        LoraConfig(
            r=4, lora_alpha=12, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            # At their start the B factors are zero and would hide a wrong scale.
            torch.nn.init.normal_(parameter, std=0.2)
    return made.train()


def gradients(made: Any, summed: bool) -> tuple[float, dict[str, torch.Tensor]]:
    torch.manual_seed(5)
    batch = loss.packed(EXAMPLES, [0, 1, 2], CPU)
    core = made.get_base_model()
    total = loss.summed_loss(core, batch) if summed else loss.token_losses(core, batch)[0].sum()
    total.backward()
    found = {name: each.grad for name, each in made.named_parameters() if each.requires_grad}
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in found.values())
    return total.item(), found


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_fused_adapters_and_head_have_the_loss_and_gradients_of_the_textbook(dropout: float) -> None:
    textbook = adapted(dropout)
    ours = copy.deepcopy(textbook)
    fused.fuse_adapters(ours)
    expected_loss, expected = gradients(textbook, summed=False)
    found_loss, found = gradients(ours, summed=True)
    assert found_loss == pytest.approx(expected_loss, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recomputing_activations_changes_no_gradient(dropout: float) -> None:
    kept, recomputed = adapted(dropout), adapted(dropout)
    for made in (kept, recomputed):
        fused.fuse_adapters(made)
    recomputed.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    _, expected = gradients(kept, summed=True)
    _, found = gradients(recomputed, summed=True)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name])


def test_a_switched_off_adapter_leaves_the_base_model() -> None:
    made = adapted(0.0).eval()
    fused.fuse_adapters(made)
    ids = torch.tensor([[3, 8, 1, 40]])
    with torch.no_grad():
        on = made(input_ids=ids).logits
        with made.disable_adapter():
            off = made(input_ids=ids).logits
        torch.manual_seed(0)
        plain = made.unload()(input_ids=ids).logits
    torch.testing.assert_close(off, plain)
    assert (on - off).abs().max() > 1e-3


def test_fused_weights_are_saved_under_the_names_peft_reads() -> None:
    made = adapted(0.0)
    before = set(made.state_dict())
    fused.fuse_adapters(made)
    assert set(made.state_dict()) == before


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "HEAD_CHUNK_TOKENS", 5)


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("bias", [False, True])
def test_the_head_loss_in_chunks_is_cross_entropy(
    small_chunks: None, softcap: float | None, bias: bool
) -> None:
    torch.manual_seed(1)
    head = torch.nn.Linear(16, 31, bias=bias).requires_grad_(False)

    class Core:
        config = type("Config", (), {"final_logit_softcapping": softcap})()

        def get_output_embeddings(self) -> torch.nn.Linear:
            return head

    targets = torch.randint(0, 31, (13,))
    ours = torch.randn(13, 16, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_(True)
    logits = head(theirs)
    capped = logits if softcap is None else torch.tanh(logits / softcap) * softcap
    expected = torch.nn.functional.cross_entropy(capped, targets, reduction="sum")
    found = fused.head_loss(Core(), ours, targets)
    (expected * 0.25).backward()
    (found * 0.25).backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_a_step_without_supervised_tokens_has_no_loss_and_no_gradient() -> None:
    made = adapted(0.0)
    nothing = [Example(1, (1, 2, 3), (False, False, False))]
    total = loss.summed_loss(made.get_base_model(), loss.packed(nothing, [0], CPU))
    assert total.item() == 0.0
    total.backward()


def test_a_head_that_learns_itself_takes_the_general_way() -> None:
    torch.manual_seed(0)
    base: Any = adapted(0.0).unload()
    made: Any = get_peft_model(
        base, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM")
    )
    loss.summed_loss(made.get_base_model(), loss.packed(EXAMPLES, [0, 1], CPU)).backward()
    head = made.get_base_model().get_output_embeddings()
    assert head.lora_B["default"].weight.grad.abs().sum() > 0
