"""The models of the benchmark: the tiny one of the tests, and a larger one whose matrix products dominate."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from local_models.__main__ import ensure_tiny
from local_models.catalogue import TINY

MEDIUM: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}


def folder_of(name: str) -> Path:
    """The folder of `tiny` (1.2 million parameters, pretrained on prose) or `medium` (25 million, untrained)."""
    tiny = ensure_tiny(Path(tempfile.gettempdir()) / f"lora-pipeline-models-{TINY.revision}")
    return tiny if name == "tiny" else _medium(tiny)


def _medium(tiny: Path) -> Path:
    """Random weights from a fixed seed with the tiny model's tokenizer; speed and memory do not depend on them."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    folder = tiny.parent.with_name(f"{tiny.parent.name}-medium") / f"benchmark--medium@{TINY.revision}"
    if (folder / "config.json").exists():
        return folder
    config = AutoConfig.from_pretrained(tiny)
    for key, value in MEDIUM.items():
        setattr(config, key, value)
    config.head_dim = config.hidden_size // config.num_attention_heads
    torch.manual_seed(0)
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    LlamaForCausalLM(config).save_pretrained(unfinished)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(unfinished)
    unfinished.rename(folder)
    return folder
