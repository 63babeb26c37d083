"""The trained adapter a job hands over: where it comes from, what it is worth, and which files it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chalicelib.domain.configuration import Configuration
from chalicelib.domain.person import Person
from chalicelib.domain.quality import Quality

FIRST_RELEASE = "1.0.0"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """key: the full storage key; name: the path inside the artefact folder, as the user gets it."""

    name: str
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BaseModelRef:
    id: str
    name: str
    hub_id: str
    revision: str
    license: str


@dataclass(frozen=True, slots=True)
class SourceDataset:
    id: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """Losses are mean nats per supervised token; None where the run did not measure it."""

    base_validation_loss: float | None
    validation_loss: float | None
    training_loss: float | None
    perplexity: float | None


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    epochs: float
    steps: int
    total_steps: int
    duration_seconds: int
    cost_usd: Decimal
    tokens: int
    ended_by: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One question answered by the base model and by the adapter."""

    prompt: str
    system: str | None
    reference: str | None
    base: str
    adapter: str


@dataclass(frozen=True, slots=True)
class RowLoss:
    """One validation row: its line in the dataset and its loss before and after training."""

    line: int
    base_loss: float
    loss: float
    excerpt: str


@dataclass(frozen=True, slots=True)
class Model:
    """`release` is the version people see; `version` is the store's optimistic lock."""

    id: str
    name: str
    release: str
    status: str
    job_id: str
    job_name: str
    attempt: int
    dataset: SourceDataset
    base_model: BaseModelRef
    created_at: datetime
    created_by: Person
    quality: Quality
    metrics: ModelMetrics
    training: TrainingFacts
    configuration: Configuration
    files: tuple[ModelFile, ...]
    samples: tuple[Sample, ...] = ()
    worst_rows: tuple[RowLoss, ...] = ()
    regressed_rows: tuple[RowLoss, ...] = ()
    version: int = 0

    @property
    def total_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)
