"""One page of the datasets that match, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.dataset import Dataset, DatasetStatus
from chalicelib.ports import DatasetStore


@dataclass(frozen=True, slots=True)
class DatasetFilter:
    """Bounds include their ends; a dataset without the number is outside of any bound."""

    search: str = ""
    status: DatasetStatus | None = None
    min_conversations: int | None = None
    max_conversations: int | None = None
    min_quality: float | None = None
    max_quality: float | None = None

    def takes(self, dataset: Dataset) -> bool:
        wanted = self.search.casefold()
        quality = dataset.quality.average if dataset.quality else None
        return (
            (wanted in dataset.name.casefold() or wanted in dataset.file_name.casefold())
            and self.status in (None, dataset.status)
            and _within(dataset.conversations, self.min_conversations, self.max_conversations)
            and _within(quality, self.min_quality, self.max_quality)
        )


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def list_datasets(
    wanted: DatasetFilter, page: int, limit: int, *, datasets: DatasetStore
) -> tuple[Sequence[Dataset], int]:
    """The page and how many match in all. Pages count from 1; one past the end is empty."""
    matching = [dataset for dataset in datasets.all() if wanted.takes(dataset)]
    start = (page - 1) * limit
    return matching[start : start + limit], len(matching)
