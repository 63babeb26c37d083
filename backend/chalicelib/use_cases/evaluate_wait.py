"""Ends the state machine's present wait when the progress row says it is over; else tells it that all is well."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.progress import Progress, decide
from chalicelib.ports import Workflow


def evaluate_wait(row: Progress, *, workflow: Workflow, now: datetime, heartbeat: bool) -> str:
    """`row` must be what was just written, so that an intent and a token that were written at the same time meet.

    Returns released, late (that wait was over already), beating, or waiting. Calling it again does no harm.
    """
    if row.token is None:
        return "waiting"
    release = decide(row, now)
    if release is not None:
        ended = (
            workflow.end_wait(row.token, {"reached": int(row.reached)})
            if release.error is None
            else workflow.fail_wait(row.token, release.error, release.cause)
        )
        return "released" if ended else "late"
    if heartbeat:
        return "beating" if workflow.heartbeat(row.token) else "late"
    return "waiting"
