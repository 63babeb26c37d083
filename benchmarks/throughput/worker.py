"""One trainer, one run, one line of JSON: `python -m benchmarks.throughput.worker '{recipe}' MODEL_FOLDER`."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from trainer.model_cache import load_tokenizer
from trainer.resources import inspect_machine

from benchmarks.throughput import ours, peers, rows
from benchmarks.throughput.recipe import Recipe

HELD_OUT = 60
KIB = 1024


def resident_bytes(field: str) -> int:
    """VmRSS (now) or VmHWM (peak since the last reset) of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError(f"/proc/self/status has no {field}")


def held_out_loss(adapted: Any, held_out: list[Any]) -> float:
    """Mean nats per supervised token, one conversation at a time: the same judge for every trainer."""
    total, count = 0.0, 0
    adapted.eval()
    device = next(adapted.parameters()).device
    with torch.no_grad():
        for example in held_out:
            ids = torch.tensor([example.token_ids], device=device)
            wanted = torch.tensor(example.supervised[1:], device=device)
            logits = adapted(input_ids=ids, use_cache=False).logits[0, :-1][wanted].float()
            total += functional.cross_entropy(logits, ids[0, 1:][wanted], reduction="sum").item()
            count += int(wanted.sum())
    return total / count


def _prepare(
    recipe: Recipe, made: rows.Rows, models: Path, folder: Path, tokenizer: Any
) -> Callable[[], torch.nn.Module]:
    if recipe.trainer == "ours":
        opened = ours.prepare(recipe, made, models, folder, tokenizer, inspect_machine())
        return lambda: ours.run(opened)
    make = peers.grouped if recipe.trainer == "grouped" else peers.trl_packed
    prepared = make(recipe, made, models, folder, tokenizer)
    return lambda: peers.run(prepared)


def model_flops(adapted: Any, examples: list[Any]) -> float:
    """Floating-point operations of one pass over the examples that no implementation can leave out.

    Two per weight and token forward, two backward (the gradient of the input; frozen weights have none of their
    own), the head for supervised tokens only, and causal attention: 2 products of S^2/2 x width forward, 4 backward.
    """
    config = adapted.config
    head = adapted.get_output_embeddings().weight.numel()
    embedded = {id(adapted.get_input_embeddings().weight), id(adapted.get_output_embeddings().weight)}
    layers = sum(each.numel() for each in adapted.parameters() if id(each) not in embedded)
    tokens = sum(len(example) for example in examples)
    supervised = sum(example.supervised_tokens for example in examples)
    width = config.num_attention_heads * getattr(
        config, "head_dim", config.hidden_size // config.num_attention_heads
    )
    attention = sum(6 * len(example) ** 2 * width * config.num_hidden_layers for example in examples)
    return float(4 * layers * tokens + 4 * head * supervised + attention)


def machine_flops() -> float:
    """Floating-point operations a second of a large matrix product here, with the threads training has."""
    size, best = 1024, float("inf")
    left, right = torch.randn(size, size), torch.randn(size, size)
    for _ in range(5):
        started = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - started)
    return float(2 * size**3 / best)


def measure(recipe: Recipe, models: Path) -> dict[str, Any]:
    """Time covers the training stage alone: no imports, no tokenising, no loading, no judging."""
    tokenizer = load_tokenizer(models)
    made = rows.make(tokenizer, recipe.conversations, HELD_OUT, seed=7)
    with tempfile.TemporaryDirectory() as name:
        start = _prepare(recipe, made, models, Path(name), tokenizer)
        before = resident_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        wall, cpu = time.perf_counter(), time.process_time()
        adapted = start()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resident_bytes("VmHWM")
        loss = held_out_loss(adapted, made.held_out)
    return {
        "tokens": made.tokens * recipe.epochs,
        "seconds": wall,
        "cpu_seconds": cpu,
        "loss": loss,
        "peak_bytes": peak,
        "training_bytes": peak - before,
        "model_flops": model_flops(adapted, made.training) * recipe.epochs,
        "machine_flops": machine_flops(),
        "parameters": sum(each.numel() for each in adapted.parameters()),
    }


def main() -> int:
    """Print the figures as the last line of standard output."""
    logging.basicConfig(level=logging.WARNING)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    print(json.dumps(measure(Recipe(**json.loads(sys.argv[1])), Path(sys.argv[2]))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
