"""Deletes a dataset: the file goes, the record stays hidden so that jobs keep their history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.domain.errors import WrongStatus
from chalicelib.domain.identity import User
from chalicelib.ports import DatasetStore, Files
from chalicelib.use_cases.abort_upload import discard_upload, folder
from chalicelib.use_cases.find_dataset import check_may_change, find_dataset


def delete_dataset(
    dataset_id: str,
    *,
    user: User,
    datasets: DatasetStore,
    files: Files,
    active_jobs_using: Callable[[str], Sequence[str]],
    now: datetime,
) -> Dataset:
    """active_jobs_using: names of the jobs that still read this dataset.

    WrongStatus names them. Deleting again after storage failed half-way finishes the work.
    """
    present = datasets.get(dataset_id)
    if (
        present is not None
        and present.status is DatasetStatus.DELETED
        and files.head(present.key) is not None
    ):
        check_may_change(present, user)
        files.delete_prefix(folder(present))
        return present
    dataset = find_dataset(dataset_id, datasets=datasets)
    check_may_change(dataset, user)
    if names := list(active_jobs_using(dataset_id)):
        shown = ", ".join(f"“{name}”" for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise WrongStatus(
            f"Active jobs use this dataset: {shown}{more}. Wait for their end or cancel them first.",
            {"status": dataset.status, "jobs": names[:20]},
        )
    return discard_upload(dataset, datasets=datasets, files=files, now=now)
