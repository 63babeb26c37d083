"""A training file: from the promise to upload it to the report of what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.person import Person

MIN_CONVERSATIONS = 50
HIGH_QUALITY_FROM = 4.0  # average score on the 0-5 scale from which a dataset is called high quality


class DatasetStatus(StrEnum):
    UPLOADING = "uploading"
    VALIDATING = "validating"
    READY = "ready"
    REJECTED = "rejected"
    DELETED = "deleted"


class DatasetFormat(StrEnum):
    CHAT = "chat"
    SHAREGPT = "sharegpt"
    ALPACA = "alpaca"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong (or odd) in a file: where it is, what it is, and what to do about it.

    line counts from 1; None when it is about the whole file. field is a path such as `messages[2].role`.
    """

    line: int | None
    field: str | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Averages of the scores rows carry, on the scale 0-5."""

    average: float
    scores: Mapping[str, float]
    scored_conversations: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many conversations carry one value; share is of all conversations, 0-1."""

    value: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Scaffolding:
    """Most frequent first; at most `dataset_statistics.MAX_LISTED` of each."""

    personas: tuple[Share, ...] = ()
    emotional_arcs: tuple[Share, ...] = ()
    topics: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class HumanReview:
    """reviewed: conversations a person looked at; average_score: on the scale 0-5, None when unscored."""

    reviewed: int
    share: float
    average_score: float | None


@dataclass(frozen=True, slots=True)
class ValidationProgress:
    """How far checking has come. `at` doubles as the sign of life of the run that checks."""

    bytes_read: int
    bytes_total: int
    conversations: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """size_bytes is what was announced until the file is checked, then what is stored.

    upload_id: the open multipart upload, None for a single PUT or when it is closed.
    checked_etag: the stored object the report speaks of; the same one is never checked twice.
    """

    id: str
    name: str
    file_name: str
    size_bytes: int
    status: DatasetStatus
    key: str
    created_by: Person
    created_at: datetime
    updated_at: datetime
    format: DatasetFormat | None = None
    sha256: str | None = None
    conversations: int | None = None
    training_pairs: int | None = None
    tokens: int | None = None
    quality: Quality | None = None
    scaffolding: Scaffolding | None = None
    human_review: HumanReview | None = None
    errors: tuple[Finding, ...] = ()
    error_count: int = 0
    warnings: tuple[Finding, ...] = ()
    warning_count: int = 0
    validated_at: datetime | None = None
    upload_id: str | None = None
    checked_etag: str | None = None
    progress: ValidationProgress | None = field(default=None)
    version: int = 0

    @property
    def is_processing(self) -> bool:
        return self.status in (DatasetStatus.UPLOADING, DatasetStatus.VALIDATING)


def source_key(dataset_id: str) -> str:
    return f"datasets/{dataset_id}/source.jsonl"


def dataset_id_of(key: str) -> str | None:
    """The dataset an object key belongs to; None for keys that are no training file."""
    parts = key.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "datasets" and parts[2] == "source.jsonl" else None


def eligibility(dataset: Dataset | None, *, file_exists: bool = True) -> list[str]:
    """Why no job can be made from this dataset, as sentences; empty when one can.

    file_exists: whether object storage still holds the file (callers that have not looked leave it True).
    """
    if dataset is None or dataset.status is DatasetStatus.DELETED:
        return ["Training file not found. It was deleted; choose another dataset."]
    if dataset.is_processing:
        return [
            "Training file not enriched. It is still being uploaded or checked; try again when it is ready."
        ]
    blocking = []
    if (dataset.conversations or 0) < MIN_CONVERSATIONS:
        blocking.append(
            f"Insufficient conversations. The dataset has {dataset.conversations or 0}; "
            f"at least {MIN_CONVERSATIONS} are needed."
        )
    if dataset.status is DatasetStatus.REJECTED:
        problems = "1 problem" if dataset.error_count == 1 else f"{dataset.error_count:,} problems"
        blocking.append(
            f"Training file rejected. Checking it found {problems}; correct the file and upload it again."
        )
    if not file_exists:
        blocking.append("Storage file missing. Upload the dataset again.")
    return blocking
