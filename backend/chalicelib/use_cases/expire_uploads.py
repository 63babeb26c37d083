"""Cleans up after uploads that never finished, and finds files whose arrival nobody noticed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.errors import StaleWrite
from chalicelib.ports import DatasetStore, Files
from chalicelib.use_cases.abort_upload import discard_upload

UPLOAD_LIFE_SECONDS = 24 * 3600
UNNOTICED_AFTER_SECONDS = 300
STUCK_AFTER_SECONDS = 20 * 60  # longer than a checking Lambda and its quick retry can live


@dataclass(frozen=True, slots=True)
class ExpiredUploads:
    """expired: ids that were discarded. to_validate: ids the caller passes on to `validate_dataset`."""

    expired: tuple[str, ...]
    to_validate: tuple[str, ...]


def expire_uploads(*, datasets: DatasetStore, files: Files, now: datetime) -> ExpiredUploads:
    expired, to_validate = [], []
    for dataset in datasets.all():
        idle_seconds = (now - dataset.updated_at).total_seconds()
        if _needs_validation(dataset, idle_seconds, files):
            to_validate.append(dataset.id)
        elif dataset.is_processing and idle_seconds > UPLOAD_LIFE_SECONDS:
            try:
                discard_upload(dataset, datasets=datasets, files=files, now=now)
            except StaleWrite:
                continue  # it has just moved on by itself
            expired.append(dataset.id)
    return ExpiredUploads(tuple(expired), tuple(to_validate))


def _needs_validation(dataset: Dataset, idle_seconds: float, files: Files) -> bool:
    """The file is there, but the event was lost or the run that checked it died."""
    limits = {
        DatasetStatus.UPLOADING: UNNOTICED_AFTER_SECONDS,
        DatasetStatus.VALIDATING: STUCK_AFTER_SECONDS,
    }
    limit = limits.get(dataset.status)
    return limit is not None and idle_seconds > limit and files.head(dataset.key) is not None
