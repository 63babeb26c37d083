"""How a run ends: every exception becomes what the control plane is told, and the process then stays idle."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable

from trainer import events
from trainer.config import Environment
from trainer.dead_man import PodIdentity, delete_own_pod
from trainer.errors import (
    BadConfigurationError,
    DiskFullError,
    MemoryExhaustedError,
    StoppedError,
    SupersededError,
    TrainerError,
    is_disk_full,
)
from trainer.pod import Pod
from trainer.report import Hello
from trainer.resources import Machine, is_out_of_memory

log = logging.getLogger(__name__)

STOP_MESSAGES = {
    "paused": "Training is paused; the checkpoint is stored.",
    "cancelled": "Training was cancelled.",
    "silence": "The control plane did not answer for too long; the state was saved on the pod and "
    "training stopped.",
}
PAUSED_EARLY = "Training was paused before it began; what was stored before, if anything, is kept."
PAUSED_BEHIND = "Training is paused, but its last steps could not be stored. It will continue from the newest stored checkpoint."
FLUSH_SECONDS = 60.0
HEARD_POLL_SECONDS = 1.0


def guarded(pod: Pod, machine: Machine, recipe: Callable[[Pod, Machine, Hello], None]) -> None:
    """Say hello, run the recipe unless this attempt already ended, and report how it ended."""
    try:
        hello = pod.hello(machine)
        if hello is None:
            return
        pod.report.start()
        earlier = pod.outcome()
        if earlier is not None:
            log.info("this attempt already ended: %s", earlier)
            pod.conclude(earlier)
            return
        recipe(pod, machine, hello)
        pod.conclude("completed")
    except SupersededError:
        log.warning("another attempt has taken over; doing nothing more")
        pod.transfers.cancelled.set()
        pod.conclude("superseded")
    except StoppedError as stop:
        pod.report.say(events.note("stopping", _stopped(pod, stop), stop.cause), True)
        if stop.cause != "silence":
            pod.conclude(stop.cause)
    except Exception as error:
        fail(pod, error)
        pod.conclude("failed")
    finally:
        pod.save_on_termination = None
        pod.dead_man.saved.set()
        pod.group.dismiss()
    pod.report.flush(FLUSH_SECONDS)


def _stopped(pod: Pod, stop: StoppedError) -> str:
    """What became of the work; a pause waits for its checkpoint here, also during finalization."""
    if stop.cause != "paused":
        return STOP_MESSAGES[stop.cause]
    if pod.settle is None:
        return PAUSED_EARLY
    return STOP_MESSAGES["paused"] if pod.settle() else PAUSED_BEHIND


def fail(pod: Pod, error: Exception) -> None:
    """Report why the run cannot go on; the stack is sent along when the reason is a bug."""
    told = as_trainer_error(error)
    stack = "".join(traceback.format_exception(error))
    log.error("%s: %s", told.end_reason, told, exc_info=error)
    step = told.data.pop("step", None)
    crashed = told.end_reason == "trainer_crashed"
    pod.report.say(
        events.error(told.end_reason, str(told), step, stack if crashed else None, told.data), True
    )


def as_trainer_error(error: Exception) -> TrainerError:
    """Give any exception an end reason and a sentence."""
    if isinstance(error, TrainerError):
        return error
    if is_out_of_memory(error):
        return MemoryExhaustedError(
            "Memory ran out. Choose a GPU with more memory, a smaller model, or a shorter maximum "
            "sequence length."
        )
    if is_disk_full(error):
        return DiskFullError(
            "The pod's disk is full. Choose a larger disk, or a larger model volume, and resume the job."
        )
    return TrainerError(
        f"The trainer stopped because of an unexpected error: {type(error).__name__}: {error}. "
        "The last checkpoint is kept; retry the job, and report this error if it happens again."
    )


def idle(pod: Pod) -> None:
    """Stay until killed. The reporter goes on sending heartbeats, except when another attempt has taken
    over. Returns at once where the environment wants a process that ends, and, after a run that only silence ended, as
    soon as the control plane answers again."""
    if pod.environment.exit_when_done:
        _deliver(pod)
        return
    if pod.dead_man.expired.is_set() and not pod.ended.is_set():
        # The pod is still here, so its deletion was refused. Idling on with heartbeats it would look alive and cost
        # money for nothing; the provider starts a container that exits again, and that process goes on from here.
        _until_heard(pod)
        log.info("the control plane answers again; this process makes room for one that goes on")
        return
    if pod.report.superseded.is_set():
        pod.report.close()
        pod.dead_man.close()
    log.info("nothing left to do; waiting to be switched off")
    threading.Event().wait()


def _until_heard(pod: Pod) -> None:
    while pod.report.silent_seconds >= pod.job.dead_man_seconds:
        threading.Event().wait(HEARD_POLL_SECONDS)


def _deliver(pod: Pod) -> None:
    """A process that ends takes its spool along, so it stays until the last event has arrived."""
    while not (pod.report.superseded.is_set() or pod.dead_man.expired.is_set() or pod.report.flush(5.0)):
        log.warning("the control plane has not got every event yet")


def idle_without_job(
    error: BadConfigurationError, environment: Environment | None, report: Callable[[Environment, str], None]
) -> None:
    """A job file that cannot be used: tell whoever can be told, give the pod back, else wait to be switched
    off."""
    import httpx

    log.error("%s", error)
    if environment is not None:
        try:
            report(environment, str(error))
        except (BadConfigurationError, SupersededError) as refusal:
            log.error("nobody can be told: %s", refusal)
            with httpx.Client() as client:
                delete_own_pod(
                    PodIdentity(environment.provider_url, environment.pod_id, environment.pod_key), client
                )
        if environment.exit_when_done:
            return
    threading.Event().wait()
