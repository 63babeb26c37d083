"""Folds a batch of trainer events into the progress row. Pure: (row, batch, now) -> (row, points, log lines).

Event i of a batch has sequence first_sequence + i; what was seen before is skipped, a gap is not accepted, so that
duplicates and reordering change nothing. The shapes are those of contracts/trainer_event.schema.json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from chalicelib.domain import certificate
from chalicelib.domain.errors import StaleAttempt
from chalicelib.domain.metrics import COLUMNS, EXTRA, base_validation_loss, merge
from chalicelib.domain.progress import STAGE_REACHED, LogEvent, Progress, Reached, StageRecord, check_money
from chalicelib.domain.watch import note_utilization

# One mark a batch, so that a short step does not make the window short and the row long.
_PACE_MARKS = 40
_PROCESSES_KEPT = 50
MOST_SILENT_ENDS = 3
# One write takes so many log lines; the rest of the batch is asked for again by `next_sequence`.
_MOST_LINES = 80
_SHOWN = (*COLUMNS, *EXTRA)
_STAGE_ORDER = ("preprocessing", "model_loading", "training", "finalization")

Event: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A checkpoint the trainer says is stored; it counts only after it was verified."""

    step: int
    path: str
    files: tuple[Mapping[str, Any], ...]
    reason: str
    at: datetime


@dataclass(slots=True)
class Folded:
    progress: Progress
    rows: list[dict[str, Any]]
    log: list[LogEvent]
    checkpoints: list[Checkpointed]
    # Of events that were seen before: the pointer to them may have been lost all the same.
    repeated: list[Checkpointed]
    new_stage: str | None = None

    def say(self, at: datetime, kind: str, message: str, data: Mapping[str, Any] | None = None) -> None:
        number = self.progress.event_count
        self.log.append(LogEvent(number, at, kind, message, self.progress.attempt, dict(data or {})))
        self.progress = replace(self.progress, event_count=number + 1)


def fold(progress: Progress, first_sequence: int, events: Sequence[Event], now: datetime) -> Folded:
    """`progress.next_sequence` tells afterwards what the trainer should send next."""
    folded = Folded(replace(progress, last_event_at=now), [], [], [], [])
    if first_sequence > progress.next_sequence:
        return folded
    taken, new = 0, progress.next_sequence - first_sequence
    folded.repeated = [_announced(event) for event in events[:new] if event["type"] == "checkpoint"]
    for event in events[new:]:
        if len(folded.log) >= _MOST_LINES:
            break
        _HANDLERS[str(event["type"])](folded, event, _time(event["at"]))
        taken += 1
    _note_points(folded)
    used = [row.get("gpu_utilization") for row in folded.rows]
    folded.progress = note_utilization(folded.progress, used, now)
    folded.progress = check_money(replace(folded.progress, next_sequence=progress.next_sequence + taken), now)
    return folded


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def _stage(folded: Folded, event: Event, at: datetime) -> None:
    stage, state = str(event["stage"]), str(event["state"])
    before = folded.progress.stages.get(stage, StageRecord())
    if before.state == "completed" and state == "active":
        return
    record = replace(
        before,
        state=state,
        message=str(event["message"]),
        progress=1.0 if state == "completed" else float(event["progress"]),
        started_at=before.started_at or at,
        completed_at=at if state == "completed" else None,
    )
    progress = replace(folded.progress, stages={**folded.progress.stages, stage: record})
    if state == "completed":
        progress = replace(progress, reached=max(progress.reached, STAGE_REACHED[stage]))
    folded.progress = progress
    _log_stage(folded, before, stage, event, at)


def _log_stage(folded: Folded, before: StageRecord, stage: str, event: Event, at: datetime) -> None:
    if before.state == "pending":
        index = _STAGE_ORDER.index(stage)
        old = _STAGE_ORDER[index - 1] if index else "provisioning"
        folded.new_stage = stage
        folded.say(at, "status", f"{old} → {stage}", {"old_status": old, "new_status": stage})
    if event["state"] == "completed":
        folded.say(at, "info", str(event["message"]), {"stage": stage, **dict(event.get("data") or {})})
    elif before.message != event["message"] and stage != "training":
        folded.say(at, "info", str(event["message"]), {"stage": stage, "progress": event["progress"]})


def _plan(folded: Folded, event: Event, at: datetime) -> None:
    plan = {key: value for key, value in event.items() if key not in {"type", "at"}}
    folded.progress = replace(folded.progress, plan=plan)
    folded.say(
        at, "info", f"{plan['total_steps']:,} optimizer steps planned over {plan['epochs']} epochs", plan
    )


def _metrics(folded: Folded, event: Event, at: datetime) -> None:
    row = {key: event.get(key) for key in ("step", "epoch", "perplexity", "gpu_memory_total_gb", *COLUMNS)}
    folded.rows.append({**row, "at": at.isoformat()})


def _note_points(folded: Folded) -> None:
    """The newest values, the pace, and one log line for the whole batch."""
    if not folded.rows:
        return
    rows = merge(folded.rows)
    progress = folded.progress
    latest, previous = dict(progress.latest), dict(progress.previous)
    for name in _SHOWN:
        # From the end: two known values are all that counts of a batch.
        known = (row[name] for row in reversed(rows) if row.get(name) is not None)
        newest = next(known, None)
        if newest is not None:
            before = next(known, latest.get(name))
            latest[name] = newest
            previous |= {} if before is None else {name: before}
    last = rows[-1]
    base = base_validation_loss(rows)
    trained = [int(row["step"]) for row in rows if row.get("training_loss") is not None]
    goes_back = bool(trained) and trained[0] <= progress.furthest_step
    marks = rows[-1:] if progress.pace else [rows[0], *rows[1:][-1:]]
    pace = [*progress.pace, *((round(_time(row["at"]).timestamp(), 2), int(row["step"])) for row in marks)]
    folded.progress = replace(
        progress,
        latest={**latest, "step": last["step"]},
        previous=previous,
        step=int(last["step"]),
        epoch=float(last.get("epoch") or progress.epoch),
        pace=tuple(pace[-_PACE_MARKS:]),
        revision=progress.revision + 1,
        points=progress.points + len(rows),
        furthest_step=max([progress.furthest_step, *trained]),
        corrected_revision=progress.revision + 1 if goes_back else progress.corrected_revision,
        base_validation_loss=progress.base_validation_loss if base is None else base,
    )
    folded.say(
        _time(last["at"]),
        "metrics",
        _metrics_sentence(last),
        {key: value for key, value in last.items() if value is not None},
    )


def _metrics_sentence(row: Mapping[str, Any]) -> str:
    loss = row.get("training_loss")
    if loss is None:
        return f"Step {row['step']}: validation loss={row.get('validation_loss') or 0:.4f}"
    rate = row.get("learning_rate") or 0.0
    use = "" if row.get("gpu_utilization") is None else f", gpu_util={row['gpu_utilization']:.0f}%"
    return f"Step {row['step']}: loss={loss:.4f}, lr={rate:.6f}{use}"


def _announced(event: Event) -> Checkpointed:
    files, at = tuple(event["files"]), _time(event["at"])
    return Checkpointed(int(event["step"]), str(event["path"]), files, str(event["reason"]), at)


def _checkpoint(folded: Folded, event: Event, at: datetime) -> None:
    announced = _announced(event)
    folded.checkpoints.append(announced)
    size = sum(int(file["size_bytes"]) for file in announced.files)
    folded.say(
        at,
        "checkpoint",
        f"Checkpoint saved at step {event['step']} ({size / 1e6:.0f}MB uploaded)",
        {
            "step": event["step"],
            "path": event["path"],
            "size_bytes": size,
            "reason": event["reason"],
            "upload_seconds": event["upload_seconds"],
        },
    )


def _artifacts(folded: Folded, event: Event, at: datetime) -> None:
    manifest = {
        "attempt": folded.progress.attempt,
        "path": event["path"],
        "files": list(event["files"]),
        "summary": event["summary"],
    }
    folded.progress = replace(folded.progress, artifacts=manifest)
    folded.say(
        at,
        "info",
        f"{len(event['files'])} result files uploaded",
        {"files": [file["name"] for file in event["files"]]},
    )


def _resume_evidence(folded: Folded, event: Event, at: datetime) -> None:
    pairs = [
        (step["before"], step["after"]) for step in event["steps"] if "before" in step and "after" in step
    ]
    found = certificate.of_resume(int(event["resumed_from_step"]), pairs, event.get("state_sha256"))
    folded.say(at, "info", f"Resumed from step {event['resumed_from_step']}: {found['verdict']}", found)
    whole = certificate.of_run(folded.progress.certificate, found)
    folded.progress = replace(folded.progress, certificate=whole)


def _told(folded: Folded, event: Event, at: datetime) -> None:
    kind = "warning" if event["type"] == "warning" else "info"
    if event["type"] == "stopping":
        folded.progress = replace(folded.progress, stopping=str(event.get("code") or "stopped"))
        kind = "status"
    folded.say(
        at,
        kind,
        str(event["message"]),
        {**dict(event.get("data") or {}), **({"code": event["code"]} if event.get("code") else {})},
    )


def _error(folded: Folded, event: Event, at: datetime) -> None:
    error = {key: event.get(key) for key in ("end_reason", "message", "step", "stack")}
    stages = {
        name: replace(record, state="failed") if record.state == "active" else record
        for name, record in folded.progress.stages.items()
    }
    folded.progress = replace(folded.progress, trainer_error={**error, "at": at.isoformat()}, stages=stages)
    text = f"{event['end_reason']}: {event['message']}"
    folded.say(at, "error", text if len(text) <= 100 else text[:97] + "...", error)


_HANDLERS: Mapping[str, Callable[[Folded, Event, datetime], None]] = {
    "stage": _stage,
    "plan": _plan,
    "metrics": _metrics,
    "checkpoint": _checkpoint,
    "artifacts": _artifacts,
    "resume_evidence": _resume_evidence,
    "info": _told,
    "warning": _told,
    "stopping": _told,
    "error": _error,
}


def greet(progress: Progress, process: str | None, now: datetime) -> Progress:
    """A process of the agent says hello: a new one is the next incarnation, the present one changes nothing but the time.

    StaleAttempt for one that a newer process has followed. Numbering of events goes on.
    """
    seen = progress.processes
    if process is not None and process in seen:
        if process != seen[-1]:
            raise StaleAttempt("A newer process of this attempt has said hello. Stop.")
        return replace(progress, last_event_at=now)
    greeted = replace(
        progress,
        incarnation=progress.incarnation + 1,
        processes=(*seen, process)[-_PROCESSES_KEPT:] if process else seen,
        hello_at=progress.hello_at or now,
        last_event_at=now,
        reached=max(progress.reached, Reached.AGENT),
        stopping=None,
    )
    return _count_silent_end(greeted, now) if progress.incarnation else greeted


def _count_silent_end(progress: Progress, now: datetime) -> Progress:
    """The process before this one ended, and the provider started another in its place. That is paid for, so it may
    not go on for ever: a few in a row that get no further end the run."""
    further = progress.step > progress.step_at_hello
    ends = 1 if further else progress.silent_ends + 1
    progress = replace(progress, silent_ends=ends, step_at_hello=progress.step)
    if ends <= MOST_SILENT_ENDS or progress.trainer_error is not None:
        return progress
    message = (
        f"The trainer's process ended {ends} times in a row without a word and without getting past step "
        f"{progress.step}. Often the machine's memory is too small: see the container's log."
    )
    error = {"end_reason": "trainer_crashed", "message": message, "step": progress.step, "stack": None}
    return replace(progress, trainer_error={**error, "at": now.isoformat()})
