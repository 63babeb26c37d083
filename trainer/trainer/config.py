"""What this pod was asked to do: the job file and the few environment variables beside it."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from trainer.errors import BadConfigurationError
from trainer.fields import Fields
from trainer.seat import Seat, read_processes, read_seat

RATE_LIMITS = (1e-5, 1e-3)
OPTIMIZERS = ("adamw", "adamw_8bit")


@dataclass(frozen=True)
class BaseModel:
    """The model to adapt: where it lives on the hub, at which revision, under which licence."""

    id: str
    name: str
    hub_id: str
    revision: str
    license: str
    context_length: int

    @property
    def folder_name(self) -> str:
        """Name of its folder in the model cache."""
        return f"{self.hub_id.replace('/', '--')}@{self.revision}"


@dataclass(frozen=True)
class Dataset:
    """The training file, pinned by its sha256."""

    id: str
    name: str
    sha256: str
    format: str
    conversations: int


@dataclass(frozen=True)
class Hyperparameters:
    """How to train. Batch sizes count conversations."""

    learning_rate: float
    batch_size: int
    gradient_accumulation_steps: int
    epochs: int
    rank: int
    alpha: int
    dropout: float
    warmup_ratio: float
    scheduler: str
    target_modules: tuple[str, ...]
    max_sequence_length: int
    weight_decay: float
    max_grad_norm: float

    @property
    def effective_batch_size(self) -> int:
        """Conversations per optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps


@dataclass(frozen=True)
class Evaluation:
    """How much to evaluate; max_validation_conversations None means all of them."""

    max_validation_conversations: int | None
    sample_prompts: int
    max_new_tokens: int
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """The whole job file, checked."""

    job_id: str
    attempt: int
    fence: str
    api_url: str
    base_model: BaseModel
    dataset: Dataset
    hyperparameters: Hyperparameters
    quantization: str
    seed: int
    checkpoint_every_steps: int
    checkpoint_every_seconds: float
    evaluation: Evaluation
    gpu_count: int
    hourly_rate_usd: Decimal
    spent_usd: Decimal
    batching: str | None
    optimizer: str | None
    report_interval_seconds: float
    watched_interval_seconds: float
    dead_man_seconds: float
    export_merged: bool = False

    def optimizer_on(self, gpu: bool) -> str:
        """What the job file asks for; else 8-bit moments beside 4-bit weights on a GPU, where their memory matters."""
        if self.optimizer is not None:
            return self.optimizer
        return "adamw_8bit" if gpu and self.quantization == "nf4" else "adamw"

    @property
    def quantizes(self) -> bool:
        """Whether weights or optimizer are bitsandbytes'."""
        return self.quantization != "none" or self.optimizer == "adamw_8bit"


@dataclass(frozen=True)
class Environment:
    """What the provider and the control plane put around the job file."""

    job_text: str
    secret: bytes
    models_dir: Path
    work_dir: Path | None
    pod_id: str | None
    pod_key: str | None
    provider_url: str
    image_digest: str | None
    processes: int | None = None
    seat: Seat | None = None
    exit_when_done: bool = False

    def work_dir_for(self, job: Job) -> Path:
        """Scratch folder of this attempt: spool, local checkpoints, artefacts being made."""
        return self.work_dir or Path("/workspace/jobs") / job.job_id / str(job.attempt)


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the pod's environment. Raises BadConfigurationError for a missing job file or an unreadable
    secret."""
    secret_text = variables.get("LORA_PIPELINE_WEBHOOK_SECRET", "")
    try:
        secret = base64.b64decode(secret_text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        secret = b""
    if not secret:
        raise BadConfigurationError("LORA_PIPELINE_WEBHOOK_SECRET must be whsec_ followed by base64.")
    work_dir = variables.get("LORA_PIPELINE_WORK_DIR")
    return Environment(
        job_text=variables.get("LORA_PIPELINE_JOB", ""),
        secret=secret,
        models_dir=Path(variables.get("LORA_PIPELINE_MODELS_DIR", "/workspace/models")),
        work_dir=Path(work_dir) if work_dir else None,
        pod_id=variables.get("RUNPOD_POD_ID") or None,
        pod_key=variables.get("RUNPOD_API_KEY") or None,
        provider_url=variables.get("RUNPOD_API_BASE_URL", "https://api.runpod.io").rstrip("/"),
        image_digest=variables.get("LORA_PIPELINE_IMAGE_DIGEST") or None,
        processes=read_processes(variables),
        seat=read_seat(variables),
        exit_when_done=variables.get("LORA_PIPELINE_EXIT_WHEN_DONE") == "1",
    )


@dataclass(frozen=True)
class Address:
    """The least that is needed to tell the control plane that the rest of a job file is wrong."""

    job_id: str
    attempt: int
    fence: str
    api_url: str


def parse_address(text: str) -> Address:
    """Who to report to. Raises BadConfigurationError when even that cannot be read."""
    fields = Fields(_decode(text), "")
    return Address(
        fields.text("job_id"),
        fields.integer("attempt", 1),
        fields.text("fence"),
        fields.text("api_url").rstrip("/"),
    )


def parse_job(text: str) -> Job:
    """Parse and check a job file (contracts/job_file.schema.json). Raises BadConfigurationError naming the
    field."""
    fields = Fields(_decode(text), "")
    address = parse_address(text)
    checkpoint, gpu = fields.within("checkpoint"), fields.within("gpu")
    report = fields.within("report", optional=True)
    return Job(
        job_id=address.job_id,
        attempt=address.attempt,
        fence=address.fence,
        api_url=address.api_url,
        base_model=_base_model(fields.within("base_model")),
        dataset=_dataset(fields.within("dataset")),
        hyperparameters=_hyperparameters(fields.within("hyperparameters")),
        quantization=fields.choice("quantization", ("nf4", "none")),
        seed=fields.integer("seed", 0),
        checkpoint_every_steps=checkpoint.integer("every_steps", 1),
        checkpoint_every_seconds=checkpoint.number("every_seconds", 0.001),
        evaluation=_evaluation(fields.within("evaluation")),
        gpu_count=gpu.integer("count", 1, default=1),
        hourly_rate_usd=gpu.money("hourly_rate_usd"),
        spent_usd=fields.money("spent_usd"),
        batching=fields.choice("batching", ("packed", "padded")) if fields.has("batching") else None,
        optimizer=fields.choice("optimizer", OPTIMIZERS) if fields.has("optimizer") else None,
        report_interval_seconds=report.number("interval_seconds", 0.01, default=15.0),
        watched_interval_seconds=report.number("watched_interval_seconds", 0.01, default=5.0),
        dead_man_seconds=report.number("dead_man_seconds", 0.01, default=900.0),
        export_merged=fields.within("export", optional=True).flag("merged", False),
    )


def system_environment() -> Mapping[str, str]:
    """The process's own environment, named so that only one place reads it."""
    return os.environ


def _decode(text: str) -> Any:
    if not text:
        raise BadConfigurationError("LORA_PIPELINE_JOB is empty: the pod was started without a job file.")
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadConfigurationError(f"LORA_PIPELINE_JOB is not valid JSON: {error}.") from error


def _base_model(fields: Fields) -> BaseModel:
    hub_id = fields.text("hub_id")
    return BaseModel(
        id=fields.text("id"),
        name=fields.text("name", default=hub_id.rsplit("/", 1)[-1]),
        hub_id=hub_id,
        revision=fields.text("revision"),
        license=fields.text("license"),
        context_length=fields.integer("context_length", 128),
    )


def _dataset(fields: Fields) -> Dataset:
    return Dataset(
        id=fields.text("id"),
        name=fields.text("name"),
        sha256=fields.text("sha256"),
        format=fields.choice("format", ("chat", "sharegpt", "alpaca")),
        conversations=fields.integer("conversations", 0),
    )


def _hyperparameters(fields: Fields) -> Hyperparameters:
    return Hyperparameters(
        learning_rate=fields.number("learning_rate", *RATE_LIMITS),
        batch_size=fields.integer("batch_size", 1, 64),
        gradient_accumulation_steps=fields.integer("gradient_accumulation_steps", 1, 64),
        epochs=fields.integer("epochs", 1, 20),
        rank=fields.integer("rank", 4, 128),
        alpha=fields.integer("alpha", 1, 512),
        dropout=fields.number("dropout", 0, 0.5),
        warmup_ratio=fields.number("warmup_ratio", 0, 0.5),
        scheduler=fields.choice("scheduler", ("cosine", "linear", "constant")),
        target_modules=fields.texts("target_modules"),
        max_sequence_length=fields.integer("max_sequence_length", 64),
        weight_decay=fields.number("weight_decay", 0),
        max_grad_norm=fields.number("max_grad_norm", 1e-6),
    )


def _evaluation(fields: Fields) -> Evaluation:
    limited = fields.has("max_validation_conversations")
    return Evaluation(
        max_validation_conversations=fields.integer("max_validation_conversations", 0) if limited else None,
        sample_prompts=fields.integer("sample_prompts", 0),
        max_new_tokens=fields.integer("max_new_tokens", 1),
        prompts=fields.texts("prompts", default=[]),
    )
