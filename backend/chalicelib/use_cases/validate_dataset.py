"""Checks an uploaded file and writes what is in it. Safe to call twice, late, or beside another run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.dataset import Dataset, DatasetStatus, Finding, ValidationProgress
from chalicelib.domain.dataset_check import CheckReport, DatasetCheck
from chalicelib.domain.dataset_upload import MAX_BYTES
from chalicelib.domain.errors import NotFound, StaleWrite
from chalicelib.ports import Clock, DatasetStore, Files
from chalicelib.use_cases.abort_upload import folder
from chalicelib.use_cases.again import again

PROGRESS_EVERY_SECONDS = 5
LEASE_SECONDS = 45  # a run that has not shown life for this long is dead: another may take over

TOO_BIG = Finding(
    None, None, f"The file is larger than {MAX_BYTES // 1024**3} GB.", "Split it into several datasets."
)
OUT_OF_TIME = Finding(None, None, "The file could not be checked in time.", "Split it into several datasets.")


def validate_dataset(
    dataset_id: str,
    *,
    datasets: DatasetStore,
    files: Files,
    clock: Clock,
    is_out_of_time: Callable[[], bool] = lambda: False,
) -> Dataset | None:
    """The dataset as it now stands; None when there is none.

    Checks again as long as the stored file differs from the one just checked, so no upload goes unseen.
    """
    while True:
        claimed = again(lambda: _claim(dataset_id, datasets, files, clock()))
        if claimed is None:
            return datasets.get(dataset_id)
        try:
            _check(claimed, datasets, files, clock, is_out_of_time)
        except (StaleWrite, NotFound):
            # Deleted meanwhile, taken over by another run, or the file went: theirs is the last word.
            return datasets.get(dataset_id)


def _claim(dataset_id: str, datasets: DatasetStore, files: Files, now: datetime) -> Dataset | None:
    """The dataset marked as being checked by us; None when there is nothing (more) to do."""
    dataset = datasets.get(dataset_id)
    if dataset is None:
        return None
    if dataset.status is DatasetStatus.DELETED:
        files.delete_prefix(folder(dataset))
        return None
    stored = files.head(dataset.key)
    if stored is None or _is_checked(dataset, str(stored["etag"])) or _is_being_checked(dataset, now):
        return None
    claimed = replace(
        dataset,
        status=DatasetStatus.VALIDATING,
        updated_at=now,
        upload_id=None,
        errors=(),
        error_count=0,
        warnings=(),
        warning_count=0,
        checked_etag=str(stored["etag"]),
        progress=ValidationProgress(0, int(stored["size_bytes"]), 0, now),
    )
    return datasets.save(claimed, expected=dataset)


def _is_checked(dataset: Dataset, etag: str) -> bool:
    return dataset.checked_etag == etag and not dataset.is_processing


def _is_being_checked(dataset: Dataset, now: datetime) -> bool:
    if dataset.status is not DatasetStatus.VALIDATING or dataset.progress is None:
        return False
    return (now - dataset.progress.at).total_seconds() < LEASE_SECONDS


def _check(
    claimed: Dataset,
    datasets: DatasetStore,
    files: Files,
    clock: Clock,
    is_out_of_time: Callable[[], bool],
) -> None:
    check, current = DatasetCheck(), claimed
    for chunk in files.read_chunks(claimed.key):
        check.feed(chunk)
        if check.size_bytes > MAX_BYTES:
            check.stop(TOO_BIG)
        elif is_out_of_time():
            check.stop(OUT_OF_TIME)
        if check.is_hopeless:
            break
        current = _show_progress(current, check, datasets, clock())
    datasets.save(_checked(current, check.report(), clock()), expected=current)


def _show_progress(current: Dataset, check: DatasetCheck, datasets: DatasetStore, now: datetime) -> Dataset:
    before = current.progress
    if before is None or (now - before.at).total_seconds() < PROGRESS_EVERY_SECONDS:
        return current
    progress = ValidationProgress(check.size_bytes, before.bytes_total, check.conversations, now)
    return datasets.save(replace(current, progress=progress, updated_at=now), expected=current)


def _checked(current: Dataset, report: CheckReport, now: datetime) -> Dataset:
    stored_bytes = current.progress.bytes_total if current.progress else report.size_bytes
    warnings, warning_count = report.warnings, report.warning_count
    if stored_bytes != current.size_bytes:
        said = f"{current.size_bytes:,} bytes were announced, {stored_bytes:,} arrived."
        warnings = (Finding(None, None, said, "Make sure that the right file was uploaded."), *warnings)
        warning_count += 1
    return replace(
        current,
        status=DatasetStatus.READY if report.is_usable else DatasetStatus.REJECTED,
        size_bytes=stored_bytes,
        format=report.format,
        sha256=report.sha256,
        conversations=report.conversations,
        training_pairs=report.training_pairs,
        tokens=report.tokens,
        quality=report.quality,
        scaffolding=report.scaffolding,
        human_review=report.human_review,
        errors=report.errors,
        error_count=report.error_count,
        warnings=warnings,
        warning_count=warning_count,
        validated_at=now,
        updated_at=now,
        progress=None,
    )
