"""What people would use instead: TRL's SFTTrainer with packing, and transformers' Trainer grouped by length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.throughput.recipe import Recipe
from benchmarks.throughput.rows import LONGEST_TOKENS, Rows

Prepared = tuple[Any, torch.nn.Module]


def _arguments(recipe: Recipe, folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "num_train_epochs": recipe.epochs,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": recipe.seed,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "bf16": torch.cuda.is_available(),
        "gradient_checkpointing": False,
    }


def _adapters(recipe: Recipe) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _base(models: Path, recipe: Recipe) -> Any:
    from transformers import AutoModelForCausalLM, set_seed

    set_seed(recipe.seed)
    base = AutoModelForCausalLM.from_pretrained(models, dtype=torch.float32, local_files_only=True)
    base.config.use_cache = False
    return base


def trl_packed(recipe: Recipe, rows: Rows, models: Path, folder: Path, tokenizer: Any) -> Prepared:
    """Best-fit packed rows as long as the longest conversation allows, as many a step as hold the effective batch;
    assistant-only loss; no recomputation of activations. `trl_accumulated` runs them one after another."""
    import trl
    from datasets import Dataset

    per_step = max(1, round(recipe.batch_size * rows.tokens / len(rows.training) / LONGEST_TOKENS))
    together = recipe.trainer == "trl_packed"
    settings = trl.SFTConfig(
        **_arguments(recipe, folder),
        packing=True,
        packing_strategy="bfd",
        max_length=LONGEST_TOKENS,
        assistant_only_loss=True,
        per_device_train_batch_size=per_step if together else 1,
        gradient_accumulation_steps=1 if together else per_step,
    )
    trainer = trl.SFTTrainer(
        model=_base(models, recipe),
        args=settings,
        train_dataset=Dataset.from_list(rows.conversations),
        processing_class=tokenizer,
        peft_config=_adapters(recipe),
    )
    adapted: Any = trainer.model
    return trainer, adapted.get_base_model()


def grouped(recipe: Recipe, rows: Rows, models: Path, folder: Path, tokenizer: Any) -> Prepared:
    """Batches of conversations of like length, padded to the longest of each; the same token mask as ours."""
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    dataset = Dataset.from_list(
        [
            {
                "input_ids": list(example.token_ids),
                "attention_mask": [1] * len(example),
                "labels": [
                    token if on else -100
                    for token, on in zip(example.token_ids, example.supervised, strict=True)
                ],
                "length": len(example),
            }
            for example in rows.training
        ]
    )
    settings = TrainingArguments(
        **_arguments(recipe, folder),
        per_device_train_batch_size=recipe.batch_size,
        train_sampling_strategy="group_by_length",
    )
    adapted = get_peft_model(_base(models, recipe), _adapters(recipe))
    trainer = Trainer(
        model=adapted,
        args=settings,
        train_dataset=dataset,
        data_collator=DataCollatorForSeq2Seq(tokenizer, padding=True),
    )
    return trainer, adapted.get_base_model()


def run(prepared: Prepared) -> torch.nn.Module:
    """Train; the adapted model."""
    trainer, adapted = prepared
    trainer.train()
    return adapted
