"""Fresh links for parts whose links expired or whose upload failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.dataset import DatasetStatus
from chalicelib.domain.dataset_upload import part_count
from chalicelib.domain.errors import ValidationFailed, WrongStatus
from chalicelib.domain.identity import User
from chalicelib.ports import DatasetStore, Files
from chalicelib.use_cases.create_dataset import part_links
from chalicelib.use_cases.find_dataset import check_may_change, find_dataset


def more_upload_parts(
    dataset_id: str, numbers: list[int], *, user: User, datasets: DatasetStore, files: Files
) -> Mapping[str, Any]:
    """numbers: empty for all parts."""
    dataset = find_dataset(dataset_id, datasets=datasets)
    check_may_change(dataset, user)
    if dataset.status is not DatasetStatus.UPLOADING or dataset.upload_id is None:
        raise WrongStatus(
            "This dataset has no upload in parts that is still open.", {"status": dataset.status}
        )
    count = part_count(dataset.size_bytes)
    if any(not 1 <= number <= count for number in numbers):
        raise ValidationFailed({"numbers": [f"Parts are numbered from 1 to {count}."]})
    return part_links(dataset, sorted(set(numbers)) or range(1, count + 1), files=files)
