"""This trainer's own loop on the benchmark's rows: the real stage, with its reports, points and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from trainer.data import Prepared
from trainer.evidence import PointLog
from trainer.keeper import CheckpointKeeper
from trainer.model_cache import ModelCache
from trainer.resources import Machine

from benchmarks.throughput.recipe import Recipe
from benchmarks.throughput.rows import LONGEST_TOKENS, Rows
from trainer import config, model, resume, session, train


class _Storage:
    """Takes what is uploaded and keeps nothing: the peers store nothing either."""

    def upload(self, *_: Any, **__: Any) -> None:
        return


def job(recipe: Recipe, folder: Path) -> config.Job:
    """The job file of the run, through the trainer's own parser."""
    hub_id, revision = folder.name.replace("--", "/").split("@")
    return config.parse_job(
        json.dumps(
            {
                "job_id": "job_0000000000000000",
                "attempt": 1,
                "fence": "benchmark",
                "api_url": "http://127.0.0.1:9",
                "base_model": {
                    "id": "benchmark",
                    "name": "benchmark",
                    "hub_id": hub_id,
                    "revision": revision,
                    "license": "apache-2.0",
                    "context_length": LONGEST_TOKENS,
                },
                "dataset": {
                    "id": "rows",
                    "name": "rows",
                    "sha256": "0" * 64,
                    "format": "chat",
                    "conversations": 1,
                },
                "hyperparameters": {
                    "learning_rate": recipe.learning_rate,
                    "batch_size": recipe.batch_size,
                    "gradient_accumulation_steps": 1,
                    "epochs": recipe.epochs,
                    "rank": recipe.rank,
                    "alpha": 2 * recipe.rank,
                    "dropout": 0.0,
                    "warmup_ratio": 0.0,
                    "scheduler": "constant",
                    "target_modules": ["all-linear"],
                    "max_sequence_length": LONGEST_TOKENS,
                    "weight_decay": 0.0,
                    "max_grad_norm": 1.0,
                },
                "quantization": recipe.quantization,
                "seed": recipe.seed,
                "checkpoint": {"every_steps": 100, "every_seconds": 300},
                "evaluation": {"max_validation_conversations": 0, "sample_prompts": 0, "max_new_tokens": 1},
                "gpu": {"hourly_rate_usd": "1.00"},
                "spent_usd": "0",
            }
            | ({"batching": recipe.batching} if recipe.batching else {})
        )
    )


def prepare(
    recipe: Recipe, rows: Rows, models: Path, folder: Path, tokenizer: Any, machine: Machine
) -> session.Session:
    """Everything up to the first step; none of it is timed."""
    asked = job(recipe, models)
    prepared = Prepared(
        training=rows.training,
        validation=[],
        validation_conversations=[],
        skipped=0,
        truncated=0,
        folded_systems=0,
        training_pairs=len(rows.training),
        lengths=[len(example) for example in rows.training],
    )
    cache = ModelCache(models.parent, asked.base_model)
    loaded = model.load(
        asked, cache, tokenizer, machine, max(prepared.lengths), lambda *_: None, lambda: None
    )
    keeper = CheckpointKeeper(folder / "checkpoints", _Storage(), lambda *_: None, 100, 300)  # type: ignore[arg-type]
    optimizer = session.make_optimizer(asked, loaded, machine)
    start = resume._from_the_beginning(asked, prepared, loaded)
    keeper.start(0, None)
    start.progress.base_row_losses = []
    return session.Session(
        job=asked,
        loaded=loaded,
        prepared=prepared,
        machine=machine,
        optimizer=optimizer,
        progress=start.progress,
        generators=start.generators,
        pinned={},
        keeper=keeper,
        points=PointLog(folder / "points.jsonl"),
        say=lambda *_: None,
        command=lambda: "continue",
        check=lambda: None,
        cost_usd=lambda: 0.0,
    )


def run(opened: session.Session) -> torch.nn.Module:
    """The training stage; the adapted model."""
    train.train(opened)
    adapted: torch.nn.Module = opened.loaded.core
    return adapted
