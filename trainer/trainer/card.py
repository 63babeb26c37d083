"""The model card: what was trained, on what, how well, under which licence. Every number comes from the
run."""

from __future__ import annotations

from typing import Any

from trainer.config import Job
from trainer.data import Prepared
from trainer.merge import FOLDER, Merged
from trainer.template import DATE_STRING

REPOSITORY_LICENCES = {
    "apache-2.0",
    "mit",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "gemma",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "bsd-3-clause",
    "openrail",
}


def model_card(
    job: Job, prepared: Prepared, summary: dict[str, Any], merged: Merged | None, dated: bool
) -> str:
    """README.md of the adapter, with the hub's metadata header. dated: the chat template writes today's date."""
    return "\n".join(
        [
            *_header(job),
            *_opening(job),
            *_results(summary),
            *_training(job, summary),
            *_dataset(job, prepared, summary),
            *_use(job),
            *_dates(dated),
            *_merged(job, merged),
        ]
    )


def _header(job: Job) -> list[str]:
    known = job.base_model.license.lower()
    licence = known if known in REPOSITORY_LICENCES else "other"
    lines = ["---", f"base_model: {job.base_model.hub_id}", "library_name: peft", f"license: {licence}"]
    if licence == "other":
        lines.append(f"license_name: {job.base_model.license}")
    return [*lines, "pipeline_tag: text-generation", "tags:", "- lora", "- peft", "---", ""]


def _opening(job: Job) -> list[str]:
    base = job.base_model
    return [
        f"# LoRA adapter for {base.name}",
        "",
        f"Adapts [{base.hub_id}](https://huggingface.co/{base.hub_id}) at revision `{base.revision}`.",
        f"The base model's licence is **{base.license}**; it applies to this adapter's use as well.",
        "",
    ]


def _results(summary: dict[str, Any]) -> list[str]:
    rows = [
        ("Validation loss of the base model", summary["base_validation_loss"]),
        ("Validation loss with the adapter", summary["validation_loss"]),
        ("Perplexity with the adapter", summary["perplexity"]),
        ("Training loss, mean of the last tenth of the steps", summary["training_loss"]),
    ]
    lines = ["## Results", "", "| Measure | Value |", "| --- | --- |"]
    lines += [f"| {name} | {_number(value)} |" for name, value in rows]
    held = summary["conversations"]["evaluated"]
    return [
        *lines,
        "",
        f"Losses are mean nats per assistant token, computed in {summary['compute_dtype']} over {held} "
        "conversations "
        "that were never trained on.",
        "",
    ]


def _training(job: Job, summary: dict[str, Any]) -> list[str]:
    chosen = job.hyperparameters
    quantization = "4-bit NF4 with double quantisation" if job.quantization == "nf4" else "none"
    steps = f"{summary['steps']} of {summary['total_steps']}"
    early = " (ended early, at the spend cap or on request)" if summary["ended_by"] == "finish" else ""
    return [
        "## Training",
        "",
        "| Setting | Value |",
        "| --- | --- |",
        f"| Optimizer steps | {steps}{early} |",
        f"| Epochs | {summary['epochs']:.2f} of {chosen.epochs} |",
        f"| Effective batch size | {chosen.effective_batch_size} conversations |",
        f"| Learning rate | {chosen.learning_rate:g}, {chosen.scheduler}, warm-up {chosen.warmup_ratio:g} |",
        f"| LoRA | rank {chosen.rank}, alpha {chosen.alpha}, dropout {chosen.dropout:g} |",
        f"| Target modules | {', '.join(chosen.target_modules)} |",
        f"| Maximum sequence length | {chosen.max_sequence_length} tokens |",
        f"| Quantisation of the base | {quantization} |",
        f"| Compute precision | {summary['compute_dtype']} |",
        f"| Seed | {job.seed} |",
        f"| Tokens trained | {summary['tokens']['trained']:,}, of which "
        f"{summary['tokens']['supervised']:,} carry loss |",
        f"| Training time | {summary['training_seconds']:.0f} s |",
        f"| Trainer version | {summary['trainer_version']} |",
        "",
    ]


def _dataset(job: Job, prepared: Prepared, summary: dict[str, Any]) -> list[str]:
    tokens = summary["tokens"]
    lines = [
        "## Data",
        "",
        f"Trained on “{job.dataset.name}” (sha256 `{job.dataset.sha256}`): {prepared.training_count} "
        "conversations for "
        f"training with {prepared.training_pairs} assistant turns, {prepared.validation_count} held out "
        "for validation.",
        f"One pass over the training conversations is {tokens['per_epoch']:,} tokens, of which "
        f"{tokens['supervised_per_epoch']:,} carry loss; the longest has {tokens['longest_conversation']:,}.",
        f"{prepared.truncated} conversations were cut at a turn boundary to fit; {prepared.skipped} had "
        "nothing to learn "
        "from and were skipped. Only the assistant's words carry loss.",
    ]
    if prepared.folded_systems:
        lines.append(
            f"In {prepared.folded_systems} conversations the system text stands at the head of the first question, "
            "because the model's chat template has no place for it."
        )
    return [*lines, ""]


def _use(job: Job) -> list[str]:
    base = job.base_model
    return [
        "## Use",
        "",
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'base = AutoModelForCausalLM.from_pretrained("{base.hub_id}", revision="{base.revision}")',
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
        'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")',
        "```",
        "",
        "`training_summary.json` holds these numbers, the loss curve, sample answers and the rows that "
        "are still hard. "
        "`validation_losses.jsonl` holds the loss of every measured conversation, with and without the adapter. "
        "`SHA256SUMS` holds the checksums of all files.",
        "",
    ]


def _dates(dated: bool) -> list[str]:
    if not dated:
        return []
    return [
        f"The chat template writes today's date into the prompt. Training and the losses above used {DATE_STRING} "
        "throughout.",
        "",
    ]


def _merged(job: Job, merged: Merged | None) -> list[str]:
    if merged is None:
        return []
    if merged.precision is None:
        return ["## Merged model", "", f"There is no merged model: {merged.problem}.", ""]
    lines = [
        "## Merged model",
        "",
        f"`{FOLDER}/` holds the whole model with the adapter added to the base's own weights in {merged.precision}, "
        "the precision they were published in. It loads with `transformers` alone.",
    ]
    if job.quantization == "nf4":
        lines.append(
            "The adapter was trained on, and the losses above were measured with, the base in 4 bits; the merged "
            "model was never quantised, so its losses differ slightly."
        )
    return [*lines, ""]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
