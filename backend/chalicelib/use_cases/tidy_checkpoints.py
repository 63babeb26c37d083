"""Removes stored checkpoints that no run will ever go on from: each is as large as the adapter and its optimizer."""

from __future__ import annotations

import re

from chalicelib.domain.checkpoint import checkpoint_prefix
from chalicelib.domain.job import Job
from chalicelib.ports import Files

_CHECKPOINT = re.compile(r"^jobs/[^/]+/attempts/(?P<attempt>[0-9]+)/(?P<path>checkpoints/[^/]+)/")


def drop_replaced(before: Job, after: Job, files: Files) -> None:
    """Of what `before` kept, removes what `after` no longer does. By their names, for a list of what is
    stored would cost as much as storing a file."""
    kept = {(each.attempt, each.path) for each in after.kept_checkpoints}
    gone = [
        checkpoint_prefix(after.id, each.attempt, each.path) + file.name
        for each in before.kept_checkpoints
        if (each.attempt, each.path) not in kept
        for file in each.files
    ]
    if gone:
        files.delete(gone)


def tidy_checkpoints(job: Job, files: Files) -> int:
    """Removes every stored checkpoint that the job does not keep, also those whose announcement never arrived.
    For jobs without a pod: one that is at work may be storing the next. Number of files."""
    kept = {(each.attempt, each.path) for each in job.kept_checkpoints}
    found = {
        (int(match["attempt"]), match["path"])
        for each in files.list(f"jobs/{job.id}/attempts/")
        if (match := _CHECKPOINT.match(str(each["key"])))
    }
    return sum(files.delete_prefix(checkpoint_prefix(job.id, *each)) for each in sorted(found - kept))
