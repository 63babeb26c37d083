"""Puts the parts together; checking starts when storage reports the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.dataset_upload import part_count
from chalicelib.domain.errors import NotFound, ValidationFailed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.ports import DatasetStore, Files
from chalicelib.use_cases.again import again
from chalicelib.use_cases.find_dataset import check_may_change, find_dataset


def complete_upload(
    dataset_id: str,
    parts: Sequence[Mapping[str, Any]],
    *,
    user: User,
    datasets: DatasetStore,
    files: Files,
    now: datetime,
) -> Dataset:
    """parts: [{number, etag}], each part once. Completing twice is the same as once."""
    dataset = find_dataset(dataset_id, datasets=datasets)
    check_may_change(dataset, user)
    if dataset.upload_id is None:
        return _already_complete(dataset, files)
    _check_parts(dataset, parts)
    try:
        files.complete_multipart(dataset.key, dataset.upload_id, parts)
    except NotFound as error:
        if files.head(dataset.key) is None:
            raise WrongStatus(
                "The upload expired or was aborted. Create the dataset again.", {"status": dataset.status}
            ) from error
    return again(lambda: _close(dataset_id, datasets, now))


def _already_complete(dataset: Dataset, files: Files) -> Dataset:
    if dataset.status is DatasetStatus.UPLOADING and files.head(dataset.key) is None:
        raise WrongStatus(
            "The file has not arrived yet: send it to the upload link first.", {"status": dataset.status}
        )
    return dataset


def _check_parts(dataset: Dataset, parts: Sequence[Mapping[str, Any]]) -> None:
    count = part_count(dataset.size_bytes)
    numbers = sorted(int(part["number"]) for part in parts)
    if numbers == list(range(1, count + 1)):
        return
    missing = sorted(set(range(1, count + 1)) - set(numbers))
    said = f"Missing: {', '.join(map(str, missing[:10]))}." if missing else "Name each part once."
    raise ValidationFailed({"parts": [f"This upload has parts 1 to {count}. {said}"]})


def _close(dataset_id: str, datasets: DatasetStore, now: datetime) -> Dataset:
    """The check may have begun meanwhile: only the open upload is struck out."""
    dataset = find_dataset(dataset_id, datasets=datasets)
    return datasets.save(replace(dataset, upload_id=None, updated_at=now), expected=dataset)
