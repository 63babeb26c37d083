"""Closes the door to a pod that was given up."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.attempt import Attempt
from chalicelib.domain.progress import Progress
from chalicelib.ports import ProgressStore
from chalicelib.use_cases.again import change_progress

# No pod's fence, and not the empty one, which says that a run is settled to its last word.
_NOBODY = "nobody"


def shut_out(attempt: Attempt, *, progress: ProgressStore) -> None:
    """Should it show up after all, it is told to stop: the job must not be shown running on a pod that nobody keeps."""

    def shut(row: Progress) -> Progress:
        return replace(row, fence=_NOBODY) if row.fence == attempt.fence else row

    change_progress(progress, attempt.job_id, shut)
