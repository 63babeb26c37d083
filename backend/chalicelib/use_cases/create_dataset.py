"""Announces an upload and hands out the links for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain import dataset_upload
from chalicelib.domain.dataset import Dataset, DatasetStatus, source_key
from chalicelib.domain.errors import ValidationFailed
from chalicelib.domain.identity import User
from chalicelib.domain.ids import new_id
from chalicelib.ports import DatasetStore, Files

LINK_LIFE_SECONDS = 3600


def create_dataset(
    name: str,
    file_name: str,
    size_bytes: int,
    *,
    user: User,
    datasets: DatasetStore,
    files: Files,
    now: datetime,
    random_bytes: bytes,
) -> tuple[Dataset, Mapping[str, Any]]:
    """The dataset and how to upload it: {method, url, headers}, or {parts: [{number, url}], part_size}."""
    if found := dataset_upload.problems(name, file_name, size_bytes):
        raise ValidationFailed(found)
    dataset_id = new_id("ds", random_bytes)
    key = source_key(dataset_id)
    upload_id = files.start_multipart(key) if dataset_upload.is_multipart(size_bytes) else None
    dataset = Dataset(
        id=dataset_id,
        name=name,
        file_name=file_name,
        size_bytes=size_bytes,
        status=DatasetStatus.UPLOADING,
        key=key,
        created_by=user.as_person(),
        created_at=now,
        updated_at=now,
        upload_id=upload_id,
    )
    saved = datasets.save(dataset, expected=None)
    if upload_id is None:
        link = files.upload_link(
            key, size_bytes=size_bytes, sha256=None, expires_in_seconds=LINK_LIFE_SECONDS
        )
        return saved, link
    return saved, part_links(saved, range(1, dataset_upload.part_count(size_bytes) + 1), files=files)


def part_links(dataset: Dataset, numbers: range | list[int], *, files: Files) -> Mapping[str, Any]:
    """{parts: [{number, url}], part_size} of an open multipart upload."""
    if dataset.upload_id is None:
        raise ValueError("This dataset has no multipart upload.")
    parts = [
        {
            "number": number,
            "url": files.part_link(
                dataset.key, dataset.upload_id, number, expires_in_seconds=LINK_LIFE_SECONDS
            ),
        }
        for number in numbers
    ]
    return {"parts": parts, "part_size": dataset_upload.PART_BYTES}
