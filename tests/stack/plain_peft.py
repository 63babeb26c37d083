"""Loads an adapter with peft alone and prints its validation loss: what a user's own program would see.

`python plain_peft.py BASE_FOLDER ADAPTER_FOLDER DATASET FORMAT SEED` runs in a fresh process. The split is stated in the
trainer's documentation; the loss is the mean over all assistant tokens of the held-out conversations, in nats.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from peft import PeftModel
from trainer.chat import ChatRenderer
from trainer.data import split
from trainer.rows import read_rows
from transformers import AutoModelForCausalLM, AutoTokenizer

LIMIT_TOKENS = 512


def main(base_folder: str, adapter_folder: str, dataset: str, row_format: str, seed: str) -> None:
    """Print the loss."""
    base = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter_folder).eval()
    renderer = ChatRenderer(AutoTokenizer.from_pretrained(base_folder), "base")
    conversations = read_rows(Path(dataset), row_format)
    _, held_out = split(conversations, int(seed))
    total, tokens = 0.0, 0
    for position in held_out:
        example = renderer.example(conversations[position], LIMIT_TOKENS)
        if example is None:
            continue
        ids = torch.tensor([example.token_ids])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        supervised = torch.tensor(example.supervised[1:])
        total += float(losses[supervised].sum())
        tokens += int(supervised.sum())
    print(total / tokens)


if __name__ == "__main__":
    main(*sys.argv[1:])
