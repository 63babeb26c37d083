"""Stage 4: everything the user gets, made in one folder: adapter, tokenizer, card, summary, checksums."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from trainer import __version__, checkpoint, evaluate
from trainer.card import model_card
from trainer.config import Job
from trainer.data import Prepared
from trainer.merge import Merged
from trainer.model import Loaded
from trainer.progress import Progress
from trainer.resources import Machine
from trainer.template import reads_clock
from trainer.upload import StoredFile, describe

SUMS_FILE = "SHA256SUMS"
SUMMARY_FILE = "training_summary.json"
LOSSES_FILE = "validation_losses.jsonl"
# The control plane keeps the summary in one record and takes at most 200 kB as JSON with escapes.
SUMMARY_BYTES = 180_000


def export_adapter(folder: Path, job: Job, loaded: Loaded) -> list[StoredFile]:
    """Write the adapter into an empty folder; its weights first in the list."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkpoint.write_adapter(loaded, folder, job)
    return [describe(folder / checkpoint.ADAPTER_FILE), describe(folder / checkpoint.ADAPTER_CONFIG_FILE)]


def summarise(
    job: Job,
    machine: Machine,
    prepared: Prepared,
    progress: Progress,
    evaluation: evaluate.Evaluation,
    ended_by: str,
) -> dict[str, Any]:
    """The training summary (contracts/training_summary.schema.json)."""
    known = [loss for loss in (progress.best_validation_loss, evaluation.loss) if loss is not None]
    summary = {
        "job_id": job.job_id,
        "base_model": job.base_model.hub_id,
        "revision": job.base_model.revision,
        "quantization": job.quantization,
        "compute_dtype": machine.compute_name,
        "seed": job.seed,
        "trainer_version": __version__,
        "steps": progress.step,
        "total_steps": progress.total_steps,
        "epochs": round(progress.epoch, 4),
        "base_validation_loss": evaluation.base_loss,
        "validation_loss": evaluation.loss,
        "best_validation_loss": min(known) if known else None,
        "training_loss": progress.final_training_loss(),
        "first_training_loss": progress.losses[0] if progress.losses else None,
        "loss_curve": progress.curve(),
        "perplexity": evaluate.perplexity(evaluation.loss),
        "training_seconds": round(progress.training_seconds, 3),
        "tokens": {
            "trained": progress.tokens,
            "supervised": progress.supervised_tokens,
            "per_epoch": prepared.training_tokens,
            "supervised_per_epoch": prepared.supervised_tokens,
            "longest_conversation": max(prepared.lengths),
        },
        "conversations": {
            "training": prepared.training_count,
            "training_pairs": prepared.training_pairs,
            "validation": prepared.validation_count,
            "evaluated": len(evaluation.rows),
            "truncated": prepared.truncated,
            "skipped": prepared.skipped,
            "folded_systems": prepared.folded_systems,
        },
        "samples": evaluation.samples,
        "worst_rows": evaluation.worst_rows,
        "regressed_rows": evaluation.regressed_rows,
        "ended_by": ended_by,
    }
    return _bounded(summary)


def _bounded(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary with its answers and excerpts cut as far as its size asks for."""
    most = evaluate.TEXT_CHARACTERS
    while len(json.dumps(summary)) > SUMMARY_BYTES and most > 1:
        most //= 2
        for key in ("samples", "worst_rows", "regressed_rows"):
            summary[key] = [
                {name: value[:most] if isinstance(value, str) else value for name, value in row.items()}
                for row in summary[key]
            ]
    return summary


def export_rest(
    folder: Path,
    job: Job,
    loaded: Loaded,
    prepared: Prepared,
    summary: dict[str, Any],
    evaluation: evaluate.Evaluation,
    merged: Merged | None,
) -> list[StoredFile]:
    """Write tokenizer, chat template, card, summary, every row's losses and SHA256SUMS beside the adapter; returns
    all files but the adapter's. The sums cover the merged model as well."""
    loaded.tokenizer.save_pretrained(folder)
    dated = reads_clock(str(loaded.tokenizer.chat_template))
    (folder / "README.md").write_text(model_card(job, prepared, summary, merged, dated), encoding="utf-8")
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / SUMMARY_FILE).write_text(text, encoding="utf-8")
    losses = "".join(json.dumps(row) + "\n" for row in evaluation.rows)
    (folder / LOSSES_FILE).write_text(losses, encoding="utf-8")
    files = [describe(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != SUMS_FILE]
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in [*files, *(merged.files if merged else ())])
    (folder / SUMS_FILE).write_text(sums, encoding="utf-8")
    adapter = {checkpoint.ADAPTER_FILE, checkpoint.ADAPTER_CONFIG_FILE}
    return [*(file for file in files if file.path.name not in adapter), describe(folder / SUMS_FILE)]
