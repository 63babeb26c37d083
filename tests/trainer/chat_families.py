"""Chat-template families with small tokenizers of their own, and an oracle that knows nothing of offsets.

The templates of Llama, Qwen, Gemma and Phi come from the installed `trl`; Mistral's published format and ChatML are
written out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import trl
from local_models.tiny import CORPUS
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
MISTRAL = (
    "{{ bos_token }}{%- if messages[0].role == 'system' -%}{%- set system = messages[0].content -%}"
    "{%- set turns = messages[1:] -%}{%- else -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- for turn in turns -%}{%- if (turn.role == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('user and assistant must take turns') }}{%- endif -%}"
    "{%- if turn.role == 'user' -%}{%- if loop.last and system is defined -%}"
    "{{ '[INST] ' + system + '\n\n' + turn.content + '[/INST]' }}{%- else -%}"
    "{{ '[INST] ' + turn.content + '[/INST]' }}{%- endif -%}"
    "{%- else -%}{{ ' ' + turn.content + eos_token }}{%- endif -%}{%- endfor -%}"
)
CHATML = (
    "{%- for turn in messages -%}{{ '<|im_start|>' + turn.role + '\n' + turn.content + '<|im_end|>\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)


@dataclass(frozen=True)
class Family:
    """How a family marks turns. `opening` is what the model says before its words, `closing` after them."""

    name: str
    special_tokens: tuple[str, ...]
    eos: str
    closing: str
    bos: str | None = None
    opening: str = ""
    last_opening: str = ""
    last_closing: str = ""
    pieces: str = "byte-level"
    takes_plain_tool_turns: bool = False
    takes_calls: bool = False

    @property
    def template(self) -> str:
        """The family's own template."""
        written = {"mistral": MISTRAL, "chatml": CHATML}
        return written.get(self.name) or (TEMPLATES / f"{self.name}.jinja").read_text()

    @property
    def marked_template(self) -> str | None:
        """The same with generation markers, where trl has one."""
        path = TEMPLATES / f"{self.name}_training.jinja"
        return path.read_text() if path.exists() else None

    def tokenizer(self) -> Any:
        """A new tokenizer with the family's special tokens and template."""
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(_trained(self.pieces, self.special_tokens)),
            bos_token=self.bos,
            eos_token=self.eos,
            pad_token=self.eos,
            additional_special_tokens=list(self.special_tokens),
        )
        tokenizer.chat_template = self.template
        return tokenizer

    def said(self, words: str, last: bool) -> str:
        """What the model has to say for an assistant turn."""
        opening = self.last_opening if last and self.last_opening else self.opening
        return opening + words + self.closing + (self.last_closing if last else "")


LLAMA_TOKENS = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|end_of_text|>",
)
QWEN_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
GEMMA_TOKENS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "\n\n")
PHI_TOKENS = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
FAMILIES = [
    Family(
        "llama3", LLAMA_TOKENS, "<|eot_id|>", "<|eot_id|>", "<|begin_of_text|>", takes_plain_tool_turns=True
    ),
    *(
        Family(
            name,
            LLAMA_TOKENS,
            "<|eot_id|>",
            "<|eot_id|>",
            "<|begin_of_text|>",
            takes_plain_tool_turns=True,
            takes_calls=True,
        )
        for name in ("llama3_1", "llama3_2")
    ),
    Family(
        "mistral", ("<s>", "</s>", "[INST]", "[/INST]"), "</s>", "</s>", "<s>", opening=" ", pieces="words"
    ),
    Family("qwen2_5", QWEN_TOKENS, "<|im_end|>", "<|im_end|>", takes_plain_tool_turns=True, takes_calls=True),
    Family(
        "qwen3",
        QWEN_TOKENS,
        "<|im_end|>",
        "<|im_end|>",
        last_opening="<think>\n\n</think>\n\n",
        takes_plain_tool_turns=True,
        takes_calls=True,
    ),
    Family("gemma", GEMMA_TOKENS, "<eos>", "<end_of_turn>", "<bos>"),
    Family("gemma3", GEMMA_TOKENS, "<eos>", "<end_of_turn>", "<bos>"),
    Family("phi3", PHI_TOKENS, "<|endoftext|>", "<|end|>", "<s>", last_closing="\n<|endoftext|>"),
    Family("chatml", QWEN_TOKENS, "<|im_end|>", "<|im_end|>", takes_plain_tool_turns=True),
]
BY_NAME = {family.name: family for family in FAMILIES}


def pieces_of(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The characters each token stands for; joined they are the text (ASCII only)."""
    tokens = tokenizer.convert_ids_to_tokens(list(ids))
    return [token.replace("Ġ", " ").replace("Ċ", "\n").replace("▁", " ") for token in tokens]


def expected_mask(pieces: Sequence[str], spoken: Sequence[str]) -> list[bool]:
    """True for exactly the tokens that make up the spoken texts, which stand in this order in the joined pieces."""
    text = "".join(pieces)
    inside = [False] * len(text)
    start = 0
    for words in spoken:
        start = text.index(words, start)
        inside[start : start + len(words)] = [True] * len(words)
        start += len(words)
    mask, at = [], 0
    for piece in pieces:
        covered = inside[at : at + len(piece)]
        assert all(covered) or not any(covered), f"{piece!r} is half the assistant's"
        mask.append(all(covered))
        at += len(piece)
    return mask


@cache
def _trained(pieces: str, special_tokens: tuple[str, ...]) -> str:
    bpe = Tokenizer(models.BPE(unk_token="<unk>" if pieces == "words" else None))
    if pieces == "words":
        bpe.normalizer = normalizers.Replace(" ", "▁")
        bpe.decoder = decoders.Replace("▁", " ")
    else:
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=[*special_tokens, *(["<unk>"] if pieces == "words" else [])],
        initial_alphabet=[chr(code) for code in range(33, 127)] + ["▁", "\n"]
        if pieces == "words"
        else pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    # Without words as borders a merge would run across a whole line.
    texts = lines if pieces != "words" else [f"▁{word}" for line in lines for word in line.split()]
    bpe.train_from_iterator(texts, trainer)
    text: str = bpe.to_str()
    return text
