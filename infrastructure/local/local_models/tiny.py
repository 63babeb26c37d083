"""Builds a Llama of about a million parameters from this package's own text: a stand-in that trains in
seconds.

The text is prose about the product, without a single conversation in it, so that a job trained on
conversations has
something left to learn. Steps, seed and thread count are fixed: two builds on one machine give the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("corpus.txt")
CONTEXT_TOKENS = 1024
STEPS = 60
BATCH_ROWS = 8
ROW_TOKENS = 128
PEAK_RATE = 3e-3
SHAPE: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{%- else -%}{{ message['content'] + '<|im_end|>' }}{%- endif -%}"
    "{{ '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


def recipe_revision() -> str:
    """What the model is made of, as its revision: changes with the text, the shape or the number of steps."""
    recipe = {
        "steps": STEPS,
        "rows": BATCH_ROWS,
        "tokens": ROW_TOKENS,
        "rate": PEAK_RATE,
        "template": CHAT_TEMPLATE,
    }
    parts = json.dumps([recipe, SHAPE, SPECIAL_TOKENS], sort_keys=True).encode() + CORPUS.read_bytes()
    return f"recipe-{hashlib.sha256(parts).hexdigest()[:12]}"


def build(folder: Path) -> int:
    """Write model and tokenizer into `folder`; returns the number of parameters. Takes some ten seconds."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tokenizer = _tokenizer(CORPUS.read_text(encoding="utf-8").splitlines())
        torch.manual_seed(0)
        config = LlamaConfig(
            **SHAPE,
            max_position_embeddings=CONTEXT_TOKENS,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        model = LlamaForCausalLM(config)
        _learn(model, _stream(tokenizer))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    finally:
        torch.set_num_threads(threads)
    return int(model.num_parameters())


def _tokenizer(lines: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SHAPE["vocab_size"],
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(lines, trainer)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        eos_token="<|im_end|>",  # noqa: S106 - a token of text, not of access
        pad_token="<|pad|>",  # noqa: S106 - likewise
        model_max_length=CONTEXT_TOKENS,
        additional_special_tokens=["<|im_start|>", "<|endoftext|>"],
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _stream(tokenizer: Any) -> list[int]:
    ids: list[int] = []
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        ids.extend([*tokenizer(line)["input_ids"], end])
    return ids


def _learn(model: Any, stream: list[int]) -> None:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    draws = torch.Generator().manual_seed(0)
    tokens = torch.tensor(stream)
    model.train()
    for step in range(STEPS):
        warm, left = min(1.0, (step + 1) / 10), 1.0 - 0.9 * step / STEPS
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * warm * left
        starts = torch.randint(0, len(tokens) - ROW_TOKENS, (BATCH_ROWS,), generator=draws)
        rows = torch.stack([tokens[start : start + ROW_TOKENS] for start in starts.tolist()])
        model(input_ids=rows, labels=rows).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
