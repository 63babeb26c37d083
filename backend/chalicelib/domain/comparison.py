"""Jobs side by side: where their configurations differ, and what each paid for the loss it gained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.domain import base_models, presets
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.job import Job
from chalicelib.domain.pause import active_seconds

FEWEST, MOST = 2, 4
_HUNDREDTH = 0.01
_MONEY = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting of every job, in the order of the jobs. values: as JSON holds them."""

    field: str
    label: str
    values: tuple[Any, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What training reached. Losses are those of validation unless they say otherwise; None: not measured.

    gained: first − best. cost_usd: spent between those two. cost_per_hundredth_usd: cost_usd for each 0.01 gained.
    seconds_to_best: since the start, without paused time.
    """

    training_loss: float | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    best_loss: float | None = None
    best_step: int | None = None
    gained: float | None = None
    cost_usd: Decimal | None = None
    cost_per_hundredth_usd: Decimal | None = None
    seconds_to_best: int | None = None


def chosen(text: str) -> tuple[str, ...]:
    """The ids of `a,b,c`. ValidationFailed unless they are two to four different ones."""
    ids = tuple(part.strip() for part in text.split(",") if part.strip())
    if not FEWEST <= len(ids) <= MOST:
        raise ValidationFailed({"ids": [f"Choose {FEWEST} to {MOST} jobs; {len(ids)} were given."]})
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise ValidationFailed({"ids": [f"Choose different jobs; {', '.join(twice)} was given twice."]})
    return ids


def _model_name(job: Job) -> str:
    found = base_models.find(job.configuration.base_model_id)
    return job.configuration.base_model_id if found is None else found.name


# (field, label, what is shown). Two data sets of one name may hold different rows: their contents decide.
_READERS: Sequence[tuple[str, str, Callable[[Job], Any]]] = (
    ("dataset", "Dataset", lambda job: job.dataset.name),
    ("training_pairs", "Training pairs", lambda job: job.dataset.training_pairs),
    ("tokens", "Tokens", lambda job: job.dataset.tokens),
    ("preset", "Preset", lambda job: presets.name_of(job.configuration.preset_id)),
    ("base_model", "Base model", _model_name),
    ("quantization", "Quantization", lambda job: job.configuration.quantization),
    ("gpu", "GPU", lambda job: job.configuration.gpu.name),
    ("gpu_count", "Number of GPUs", lambda job: job.configuration.gpu.count),
    ("tier", "Tier", lambda job: job.configuration.gpu.tier.value),
    ("learning_rate", "Learning rate", lambda job: job.configuration.hyperparameters.learning_rate),
    ("epochs", "Epochs", lambda job: job.configuration.hyperparameters.epochs),
    ("batch_size", "Batch size", lambda job: job.configuration.hyperparameters.batch_size),
    (
        "gradient_accumulation_steps",
        "Gradient accumulation",
        lambda job: job.configuration.hyperparameters.gradient_accumulation_steps,
    ),
    ("effective_batch", "Effective batch", lambda job: job.configuration.hyperparameters.effective_batch),
    ("rank", "Rank", lambda job: job.configuration.hyperparameters.rank),
    ("alpha", "Alpha", lambda job: job.configuration.hyperparameters.alpha),
    ("dropout", "Dropout", lambda job: job.configuration.hyperparameters.dropout),
    ("warmup_ratio", "Warm-up", lambda job: job.configuration.hyperparameters.warmup_ratio),
    ("scheduler", "Scheduler", lambda job: job.configuration.hyperparameters.scheduler),
    ("target_modules", "Target modules", lambda job: list(job.configuration.hyperparameters.target_modules)),
    (
        "max_sequence_length",
        "Maximum length",
        lambda job: job.configuration.hyperparameters.max_sequence_length,
    ),
    ("weight_decay", "Weight decay", lambda job: job.configuration.hyperparameters.weight_decay),
    ("max_grad_norm", "Gradient clipping", lambda job: job.configuration.hyperparameters.max_grad_norm),
    ("seed", "Seed", lambda job: job.configuration.seed),
    ("export_merged", "Merged model", lambda job: job.configuration.export_merged),
    ("spend_cap_usd", "Spend cap", lambda job: None if job.spend_cap_usd is None else f"{job.spend_cap_usd:.2f}"),
)  # fmt: skip
_IDENTITIES: Mapping[str, Callable[[Job], Any]] = {
    "dataset": lambda job: job.dataset.sha256,
    "base_model": lambda job: job.configuration.base_model_id,
    "gpu": lambda job: job.configuration.gpu.type,
}


def differences(jobs: Sequence[Job]) -> tuple[Difference, ...]:
    """Every setting, marked where the jobs do not agree. Sets of target modules agree in any order."""
    return tuple(_difference(field, label, read, jobs) for field, label, read in _READERS)


def _difference(field: str, label: str, read: Callable[[Job], Any], jobs: Sequence[Job]) -> Difference:
    values = tuple(read(job) for job in jobs)
    identity = _IDENTITIES.get(field)
    told_apart = values if identity is None else tuple(identity(job) for job in jobs)
    kept = [sorted(value) if isinstance(value, list) else value for value in told_apart]
    return Difference(field, label, values, any(value != kept[0] for value in kept))


def shared_tags(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Tags that every job has, in the order of the first."""
    return tuple(tag for tag in jobs[0].tags if all(tag in job.tags for job in jobs))


def outcome(job: Job, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """rows: the points of the job's curves in step order, as `metrics.merge` gives them."""
    trained = [row["training_loss"] for row in rows if row.get("training_loss") is not None]
    known = [row for row in rows if row.get("validation_loss") is not None]
    training_loss = trained[-1] if trained else None
    if not known:
        return Outcome(training_loss)
    first, last = known[0], known[-1]
    best = min(known, key=lambda row: (row["validation_loss"], row["step"]))
    gained = first["validation_loss"] - best["validation_loss"]
    cost = _spent(first, best)
    return Outcome(
        training_loss=training_loss,
        first_loss=first["validation_loss"],
        last_loss=last["validation_loss"],
        best_loss=best["validation_loss"],
        best_step=best["step"],
        gained=gained,
        cost_usd=cost,
        cost_per_hundredth_usd=_per_hundredth(cost, gained),
        seconds_to_best=_seconds_to(job, best.get("at")),
    )


def _spent(first: Mapping[str, Any], best: Mapping[str, Any]) -> Decimal | None:
    before, after = first.get("cost_usd"), best.get("cost_usd")
    if before is None or after is None:
        return None
    return max(Decimal(0), Decimal(str(after)) - Decimal(str(before))).quantize(_MONEY)


def _per_hundredth(cost: Decimal | None, gained: float) -> Decimal | None:
    """None where nothing was gained: any price would be made up."""
    if cost is None or gained <= 0:
        return None
    return (cost / Decimal(str(gained / _HUNDREDTH))).quantize(_MONEY)


def _seconds_to(job: Job, at: Any) -> int | None:
    if at is None or job.started_at is None:
        return None
    until = datetime.fromisoformat(str(at).replace("Z", "+00:00"))
    before = [pause for pause in job.pauses if pause.paused_at is not None and pause.paused_at < until]
    return round(active_seconds(job.started_at, before, until))
