"""Tokenizers of real model families, small, with the families' own special tokens and chat templates.

The templates are those that TRL ships for its tests and patches; Mistral's and plain ChatML, which it lacks, are
written here after their published formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import trl
from local_models.tiny import CORPUS

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
CHATML = (
    "{%- for message in messages -%}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>{{ '\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant{{ '\n' }}{%- endif -%}"
)
MISTRAL = (
    "{{ bos_token }}{%- set turns = namespace(system='') -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{%- set turns.system = message['content'] + '\n\n' -%}"
    "{%- elif message['role'] == 'user' -%}"
    "[INST]{{ ' ' + (turns.system if loop.last or loop.index0 == messages | length - 2 else '')"
    " + message['content'] }}[/INST]"
    "{%- elif message['role'] == 'assistant' -%}{{ ' ' + message['content'] + eos_token }}"
    "{%- else -%}{{ raise_exception('Only user, system and assistant roles are supported!') }}{%- endif -%}"
    "{%- endfor -%}"
)


@dataclass(frozen=True)
class Family:
    """`end` closes an assistant turn; `tools` and `system` say whether its template takes such turns."""

    name: str
    special: tuple[str, ...]
    bos: str | None
    end: str
    template: str
    tools: bool = True
    system: bool = True


LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>")
QWEN = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>")
GEMMA = ("<bos>", "<start_of_turn>", "<end_of_turn>")
PHI = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>")
FAMILIES = (
    Family("llama3", LLAMA, "<|begin_of_text|>", "<|eot_id|>", "llama3.jinja"),
    Family("llama3_1", LLAMA, "<|begin_of_text|>", "<|eot_id|>", "llama3_1.jinja"),
    Family("llama3_2", LLAMA, "<|begin_of_text|>", "<|eot_id|>", "llama3_2.jinja"),
    Family("mistral", ("<s>", "</s>", "[INST]", "[/INST]"), "<s>", "</s>", MISTRAL, tools=False),
    Family("qwen2_5", QWEN, None, "<|im_end|>", "qwen2_5.jinja"),
    Family("qwen3", QWEN, None, "<|im_end|>", "qwen3.jinja"),
    Family("gemma", GEMMA, "<bos>", "<end_of_turn>", "gemma.jinja", tools=False, system=False),
    Family("gemma3", GEMMA, "<bos>", "<end_of_turn>", "gemma3.jinja", tools=False),
    Family("phi3", PHI, None, "<|end|>", "phi3.jinja", tools=False),
    Family("chatml", QWEN[:2], None, "<|im_end|>", CHATML),
)


@cache
def tokenizer_of(family: Family) -> Any:
    """Byte-level BPE over the repository's prose; the family's markers are single special tokens, as in the real one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(family.special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(CORPUS.read_text(encoding="utf-8").splitlines(), trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=family.bos,
        eos_token=family.end,
        pad_token=family.end,
        model_max_length=4096,
        additional_special_tokens=[each for each in family.special if each not in (family.bos, family.end)],
    )
    found = TEMPLATES / family.template if family.template.endswith(".jinja") else None
    made.chat_template = found.read_text(encoding="utf-8") if found else family.template
    return made
