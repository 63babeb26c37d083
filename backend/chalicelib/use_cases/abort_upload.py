"""Gives up an upload: nothing of it stays in storage."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.identity import User
from chalicelib.ports import DatasetStore, Files
from chalicelib.use_cases.find_dataset import check_may_change, find_dataset


def abort_upload(
    dataset_id: str, *, user: User, datasets: DatasetStore, files: Files, now: datetime
) -> Dataset:
    """WrongStatus when the file has arrived already: then it is deleted like any dataset."""
    dataset = find_dataset(dataset_id, datasets=datasets)
    check_may_change(dataset, user)
    if dataset.status is not DatasetStatus.UPLOADING:
        raise WrongStatus("The upload is complete. Delete the dataset instead.", {"status": dataset.status})
    return discard_upload(dataset, datasets=datasets, files=files, now=now)


def discard_upload(dataset: Dataset, *, datasets: DatasetStore, files: Files, now: datetime) -> Dataset:
    """The record goes first: a file without one is removed when its event comes; the reverse is a lie."""
    gone = replace(dataset, status=DatasetStatus.DELETED, upload_id=None, progress=None, updated_at=now)
    saved = datasets.save(gone, expected=dataset)
    if dataset.upload_id is not None:
        files.abort_multipart(dataset.key, dataset.upload_id)
    files.delete_prefix(folder(dataset))
    return saved


def folder(dataset: Dataset) -> str:
    return dataset.key.rpartition("/")[0] + "/"
