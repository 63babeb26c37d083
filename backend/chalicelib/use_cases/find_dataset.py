"""The dataset a request speaks of, and whether the caller may change it."""

from __future__ import annotations

import re

from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.errors import NotAllowed, NotFound
from chalicelib.domain.identity import Role, User
from chalicelib.ports import DatasetStore

_ID = re.compile(r"ds_[0-9a-z]{16}")


def find_dataset(dataset_id: str, *, datasets: DatasetStore) -> Dataset:
    """NotFound also for deleted ones, and for ids no dataset can have."""
    dataset = datasets.get(dataset_id) if _ID.fullmatch(dataset_id) else None
    if dataset is None or dataset.status is DatasetStatus.DELETED:
        raise NotFound("Training file not found. It may have been deleted; choose another dataset.")
    return dataset


def check_may_change(dataset: Dataset, user: User) -> None:
    """NotAllowed unless the caller created it or is a manager or above."""
    if dataset.created_by.id != user.id and not user.role.covers(Role.MANAGER):
        raise NotAllowed(f"Only {dataset.created_by.name} or a manager can change this dataset.")
