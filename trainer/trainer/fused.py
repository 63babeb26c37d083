"""Two pieces of the forward and backward pass with fewer trips through memory than their textbook form.

- A linear layer with LoRA: y = x Wᵀ + s (x Aᵀ) Bᵀ (Hu et al. 2021, arXiv:2106.09685). Scaling and adding happen inside
  the matrix products; nothing as wide as the layer is kept for the backward pass but x.
- The loss of the vocabulary head: logits exist for one chunk of tokens at a time, and the gradient of the hidden
  states is made while they do (softmax minus one-hot, times the head), so they are neither kept nor made again.

Both give what peft and cross_entropy give, up to the rounding of a different order of sums; tests hold them to it.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch.nn import functional

from trainer.training_memory import HEAD_CHUNK_TOKENS


class _LoraLinear(torch.autograd.Function):
    """x Wᵀ + b + s (d Aᵀ) Bᵀ for a frozen W; d is x itself, or x after dropout."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        dropped: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        flat = x.flatten(0, -2)
        adapted = flat if dropped is None else dropped.flatten(0, -2)
        low = adapted @ a.t()
        output = functional.linear(flat, weight, bias).addmm_(low, b.t(), alpha=scaling)
        ctx.save_for_backward(adapted, low, weight, a, b)
        ctx.scaling, ctx.shape, ctx.own_input = scaling, x.shape, dropped is None
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        adapted, low, weight, a, b = ctx.saved_tensors
        gradient = gradients[0].flatten(0, -2)
        low_gradient = (gradient @ b).mul_(ctx.scaling)
        for_a = low_gradient.t() @ adapted if ctx.needs_input_grad[4] else None
        for_b = (gradient.t() @ low).mul_(ctx.scaling) if ctx.needs_input_grad[5] else None
        for_x = gradient @ weight if ctx.needs_input_grad[0] else None
        for_dropped = None
        if ctx.own_input and for_x is not None:
            for_x.addmm_(low_gradient, a)
        elif ctx.needs_input_grad[1]:
            for_dropped = (low_gradient @ a).view(ctx.shape)
        return (
            None if for_x is None else for_x.view(ctx.shape),
            for_dropped,
            None,
            None,
            for_a,
            for_b,
            None,
        )


def fuse_adapters(model: Any) -> None:
    """Give every plain LoRA layer of a peft model the fused forward; its weights and names stay peft's."""
    from peft.tuners.lora import Linear
    from peft.tuners.lora.layer import LoraLayer

    for layer in model.modules():
        if (
            isinstance(layer, LoraLayer)
            and "default" in getattr(layer, "lora_A", {})
            and not layer.lora_variant
        ):
            plain = isinstance(layer, Linear) and type(layer.base_layer) is torch.nn.Linear
            adapted: Any = layer
            adapted.forward = MethodType(_forward_plain if plain else _forward_over, layer)


def _forward_plain(layer: Any, x: torch.Tensor) -> torch.Tensor:
    base = layer.base_layer
    if layer.disable_adapters or layer.merged:
        output: torch.Tensor = base(x)
        return output
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    dropped = _dropped(layer, x)
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        x, a, b = x.to(kind), a.to(kind), b.to(kind)
        dropped = None if dropped is None else dropped.to(kind)
    result: torch.Tensor = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        x, dropped, base.weight, base.bias, a, b, layer.scaling["default"]
    )
    return result


def _forward_over(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Over a base layer with a forward of its own, such as one in 4 bits."""
    output: torch.Tensor = layer.base_layer(x)
    if layer.disable_adapters or layer.merged:
        return output
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    dropped = _dropped(layer, x)
    adapted = (x if dropped is None else dropped).to(a.dtype)
    low = functional.linear(adapted, a).flatten(0, -2)
    sum_ = torch.addmm(
        output.flatten(0, -2), low.to(output.dtype), b.t().to(output.dtype), alpha=layer.scaling["default"]
    )
    return sum_.view(output.shape)


def _dropped(layer: Any, x: torch.Tensor) -> torch.Tensor | None:
    """x after the adapter's dropout; None where that changes nothing."""
    dropout = layer.lora_dropout["default"]
    if not layer.training or getattr(dropout, "p", 0.0) == 0.0:
        return None
    result: torch.Tensor = dropout(x)
    return result


class _HeadLoss(torch.autograd.Function):
    """Sum of -log softmax(softcap(h Wᵀ + b))[target] over tokens, for a frozen head."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        targets: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        softcap: float | None,
    ) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets), HEAD_CHUNK_TOKENS):
            rows = slice(start, start + HEAD_CHUNK_TOKENS)
            logits = functional.linear(hidden[rows], weight, bias).float()
            if softcap:
                logits = logits.div_(softcap).tanh_()
                slope = 1 - logits * logits
                logits = logits.mul_(softcap)
            wanted = targets[rows, None]
            # In place from here on: the logits are the largest tensor of a step, and no second one is made of them.
            right = logits.gather(-1, wanted)
            highest = logits.amax(-1, keepdim=True)
            shares = logits.sub_(highest).exp_()
            sums = shares.sum(-1, keepdim=True)
            total += (sums.log() + highest - right).sum()
            if gradient is not None:
                shares = shares.div_(sums)
                shares.scatter_add_(-1, wanted, torch.full_like(wanted, -1, dtype=shares.dtype))
                if softcap:
                    shares = shares.mul_(slope)
                gradient[rows] = shares.to(weight.dtype) @ weight
            del logits, shares
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        return (
            None if gradient is None else gradient * gradients[0].to(gradient.dtype),
            None,
            None,
            None,
            None,
        )


def head_loss(core: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed loss in nats, a scalar in fp32, of hidden states (tokens, size) and the tokens (tokens,) to predict.

    The gradient flows into `hidden` alone: the head is frozen.
    """
    head = core.get_output_embeddings()
    softcap = getattr(core.config, "final_logit_softcapping", None)
    result: torch.Tensor = _HeadLoss.apply(  # type: ignore[no-untyped-call]
        hidden.to(head.weight.dtype), targets, head.weight, getattr(head, "bias", None), softcap
    )
    return result
