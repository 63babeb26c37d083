"""Stage 3: the training loop. One step is one effective batch; everything that must be exact happens at its
end."""

from __future__ import annotations

import time
from typing import Literal

import torch

from trainer import batches, evaluate, events, gradients, handover, shares, watch
from trainer.config import Job
from trainer.errors import BadConfigurationError, DivergedError, StoppedError
from trainer.progress import Progress
from trainer.session import PAUSE_UPLOAD_SECONDS, Session
from trainer.state import capture_random

EndedBy = Literal["completed", "finish"]
STATUS_SECONDS = 5.0
CANCEL_UPLOAD_SECONDS = 120.0
# A minute less than the control plane's own patience with a pause.
PAUSE_PATIENCE_SECONDS = 540.0
# Finished work is worth a quarter of an hour of retries.
ARTIFACT_TRIES = 40


def train(session: Session) -> EndedBy:
    """Train to the last step, or until told to finish. Raises StoppedError (after its checkpoint),
    DivergedError, MemoryExhaustedError, or BadConfigurationError when told to finish before the first step."""
    handover.begin_together(session)
    progress = session.progress
    session.loaded.peft.train()
    _status(
        session,
        "Training started" if progress.step == 0 else f"Training continues from step {progress.step}",
        True,
    )
    try:
        if progress.base_row_losses is None and not _told_to_finish(session):
            _validate_base(session)
        if _validation_is_missing(progress):
            _validate(session)
        while not progress.finished:
            session.check()
            if _told_to_finish(session):
                return _end(session, "finish")
            _step(session)
            if progress.step % progress.steps_per_epoch == 0:
                _validate(session)
            if not progress.finished and session.keeper.due(progress.step):
                session.keeper.take("interval", session.save)
    except StoppedError as stop:
        _settle(session, stop)
        raise
    finally:
        # Evaluation and export need one process; a follower cannot dismiss anyone.
        if session.group.leads:
            session.group.dismiss()
    return _end(session, "completed")


def _told_to_finish(session: Session) -> bool:
    """Whether to export what there is. Raises BadConfigurationError when there is nothing yet."""
    if session.command() != "finish":
        return False
    if session.progress.step == 0:
        raise BadConfigurationError(
            "The spend cap was near before the first step was trained, so there is no adapter to hand over. "
            "Raise the spend cap, or choose a cheaper GPU or a smaller base model."
        )
    return True


def _end(session: Session, ended_by: EndedBy) -> EndedBy:
    # The last state is stored too: a pod lost during finalization then repeats only that.
    if session.group.leads:
        session.keeper.take("finish" if ended_by == "finish" else "interval", session.save)
    message = (
        "Training complete"
        if ended_by == "completed"
        else f"Training ended early at step {session.progress.step}"
    )
    session.say(events.stage("training", message, 1.0, completed=True), True)
    return ended_by


def _settle(session: Session, stop: StoppedError) -> None:
    """Leave a checkpoint behind, as far as the cause of the stop allows."""
    progress, keeper = session.progress, session.keeper
    session.loaded.peft.zero_grad(set_to_none=True)
    if stop.cause == "paused":
        _store_for_pause(session)
    elif stop.cause == "cancelled":
        if progress.step > 0 and not keeper.fresh(progress.step):
            keeper.take("cancel", session.save)
        keeper.wait(CANCEL_UPLOAD_SECONDS)
    elif progress.step > 0:
        # Nobody answers, so nothing can be stored; the folder may lie on a volume that outlives the pod.
        keeper.saved(session.save)


def _store_for_pause(session: Session) -> None:
    """A pause takes pod and disk away, so through an outage of storage it tries again for as long as the control
    plane waits for it."""
    keeper, step = session.keeper, session.progress.step
    give_up_at = time.monotonic() + PAUSE_PATIENCE_SECONDS
    while keeper.take("pause", session.save) and keeper.wait(PAUSE_UPLOAD_SECONDS):
        if keeper.stored(step) or time.monotonic() > give_up_at:
            return


def _step(session: Session) -> None:
    """One optimizer step: forward and backward over its micro-batches, then the update."""
    started = time.monotonic()
    job, progress = session.job, session.progress
    epoch, cursor = divmod(progress.step, progress.steps_per_epoch)
    plan = batches.epoch_plan(
        job.seed,
        epoch,
        session.prepared.lengths,
        job.hyperparameters.effective_batch_size,
        alike=not progress.packed,
    )
    indices = plan[cursor]
    step_loss, tokens, supervised, peers = gradients.accumulate(session, indices)
    rate = _rate(job, progress)
    for group in session.optimizer.param_groups:
        group["lr"] = rate
    with session.boundary:
        norm = torch.nn.utils.clip_grad_norm_(
            session.loaded.trainable, job.hyperparameters.max_grad_norm
        ).item()
        verdict = watch.judge(progress, step_loss, norm)
        if verdict.apply:
            session.optimizer.step()
        session.optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.tokens += tokens
        progress.supervised_tokens += supervised
        progress.losses.append(step_loss)
        progress.training_seconds += time.monotonic() - started
        session.generators = capture_random(peers)
    _tell(session, step_loss, norm, rate, tokens / max(1e-9, time.monotonic() - started))
    if verdict.warning:
        session.say(events.note("warning", verdict.warning, "loss"), True)
    if told := watch.plateau(progress):
        session.say(events.note("warning", told, "plateau"), True)
    if verdict.stop:
        raise DivergedError(verdict.stop, step=progress.step)


def _rate(job: Job, progress: Progress) -> float:
    chosen = job.hyperparameters
    return batches.learning_rate(
        progress.step, progress.total_steps, chosen.learning_rate, chosen.warmup_ratio, chosen.scheduler
    )


def _tell(session: Session, step_loss: float, norm: float, rate: float, tokens_per_second: float) -> None:
    """Report the step just finished: a point, now and then a sentence, and the evidence of a resume."""
    progress, reading = session.progress, session.machine.probe.read()
    session.points.append(progress.step, step_loss)
    session.say(
        events.metrics(
            progress.step,
            progress.epoch,
            training_loss=step_loss,
            learning_rate=rate,
            grad_norm=norm,
            tokens_per_second=round(tokens_per_second, 2),
            gpu_utilization=reading.utilization_percent,
            gpu_memory_gb=reading.memory_used_gb,
            gpu_memory_total_gb=reading.memory_total_gb,
            cost_usd=session.cost_usd(),
        ),
        False,
    )
    if session.evidence is not None and (event := session.evidence.add(progress.step, step_loss)):
        session.say(event, True)
    if time.monotonic() - session.status_at >= STATUS_SECONDS:
        epochs = session.job.hyperparameters.epochs
        epoch = min(epochs, (progress.step - 1) // progress.steps_per_epoch + 1)
        _status(
            session,
            f"Training epoch {epoch}/{epochs} - Step {progress.step}/{progress.total_steps}...",
            False,
        )


def _status(session: Session, message: str, urgent: bool) -> None:
    session.status_at = time.monotonic()
    progress = session.progress
    session.say(events.stage("training", message, progress.step / max(1, progress.total_steps)), urgent)


def _validation_rows(session: Session, with_adapter: bool) -> list[evaluate.RowLoss]:
    examples, _ = evaluate.validation_slice(
        session.prepared, session.job.evaluation.max_validation_conversations
    )
    divided = shares.divide(
        range(len(examples)), [len(example) for example in examples], session.group.processes
    )
    mine = evaluate.row_losses(
        session.loaded,
        [examples[at] for at in divided[session.group.rank]],
        session.machine,
        session.progress.micro_batch,
        with_adapter,
        session.check,
    )
    found = {
        at: row
        for share, rows in zip(divided, session.group.exchange(mine), strict=True)
        for at, row in zip(share, rows, strict=True)
    }
    return [found[at] for at in range(len(examples))]


def _validate_base(session: Session) -> None:
    """The base model's own validation loss is the curve's point at step 0."""
    _status(session, "Running validation...", False)
    rows = _validation_rows(session, with_adapter=False)
    session.progress.base_row_losses = [row.mean for row in rows]
    session.progress.base_validation_loss = evaluate.mean_loss(rows)
    _tell_validation(session, session.progress.base_validation_loss)


def _validation_is_missing(progress: Progress) -> bool:
    """Whether a process died between the last step of an epoch and its validation."""
    return (
        progress.step > 0
        and progress.step % progress.steps_per_epoch == 0
        and progress.validated_step != progress.step
    )


def _validate(session: Session) -> None:
    _status(session, "Running validation...", False)
    mean = evaluate.mean_loss(_validation_rows(session, with_adapter=True))
    progress = session.progress
    if mean is not None:
        progress.validated(mean)
        _tell_validation(session, mean)
    recent = progress.losses[-progress.steps_per_epoch :]
    epoch = progress.step // progress.steps_per_epoch
    _status(session, f"Epoch {epoch} complete - Avg loss: {sum(recent) / len(recent):.4f}", True)


def _tell_validation(session: Session, mean: float | None) -> None:
    if mean is not None:
        point = events.metrics(
            session.progress.step,
            session.progress.epoch,
            validation_loss=mean,
            perplexity=evaluate.perplexity(mean),
        )
        session.say(point, True)
