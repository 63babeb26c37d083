"""What a process other than the first does: the same model and the same loop, without a voice, a disk or a will."""

from __future__ import annotations

import logging
import os
import signal
import threading
import traceback
from pathlib import Path

from trainer import events, model, model_cache, train
from trainer.config import Environment, Job
from trainer.data import Prepared
from trainer.ending import as_trainer_error
from trainer.evidence import PointLog
from trainer.group import PASSED_ON, Many
from trainer.keeper import CheckpointKeeper
from trainer.progress import Progress
from trainer.resources import Machine
from trainer.session import Session, make_optimizer
from trainer.state import capture_random

log = logging.getLogger(__name__)


def follow(job: Job, environment: Environment, machine: Machine, group: Many) -> int:
    """Train along until dismissed. Ends the process with success even when it fails: it has told the leader why
    by then, and another exit code would make the launcher end the leader before that is reported."""
    # The leader answers a termination signal; until it has, everybody goes on.
    signal.signal(PASSED_ON, signal.SIG_IGN)
    group.await_dismissal()
    try:
        _train(job, environment, machine, group)
    except Exception as error:
        told = as_trainer_error(error)
        log.exception("this process cannot go on")
        group.confess(told.end_reason, str(told), "".join(traceback.format_exception(error)))
        os._exit(0)
    threading.Event().wait()
    return 0


def _train(job: Job, environment: Environment, machine: Machine, group: Many) -> None:
    prepared: Prepared = group.share(None)
    cache = model_cache.ModelCache(environment.models_dir, job.base_model, fetches=False)
    tokenizer = model_cache.load_tokenizer(cache.tokenizer_folder())
    loaded = model.load(job, cache, tokenizer, machine, max(prepared.lengths), _say_nothing, _go_on)
    session = Session(
        job=job,
        loaded=loaded,
        prepared=prepared,
        machine=machine,
        optimizer=make_optimizer(job, loaded, machine),
        progress=Progress(),
        generators=capture_random(),
        pinned={},
        keeper=_NoKeeper(),
        points=PointLog(Path(os.devnull)),
        say=_say_nothing,
        command=lambda: "continue",
        check=_go_on,
        cost_usd=lambda: 0.0,
        group=group,
    )
    train.train(session)


class _NoKeeper(CheckpointKeeper):
    """Keeps nothing: the leader's checkpoint is everybody's."""

    def __init__(self) -> None:
        """Nothing to prepare."""

    def due(self, step: int) -> bool:  # noqa: ARG002
        """Never."""
        return False


def _say_nothing(event: events.Event, urgent: bool) -> None:
    """The leader speaks for all."""


def _go_on() -> None:
    """Followers do not stop by themselves."""
