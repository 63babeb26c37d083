"""The pod of a simulated trainer: the real trainer's voice, transfers, patience and answer to SIGTERM around a script."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping

import httpx
from trainer.dead_man import DeadMan, PodIdentity, delete_own_pod
from trainer.errors import StoppedError, SupersededError, TrainerError
from trainer.report import Hello, Reporter
from trainer.signals import Termination
from trainer.spool import Spool
from trainer.upload import Transfers
from trainer.webhooks import ControlPlane

from tests.stack.simulated_script import Script
from tests.stack.simulated_trainer import SimulatedFailure, Simulation
from trainer import config

HEARD_POLL_SECONDS = 0.5


def live(simulation: Simulation, hello: Hello) -> bool:
    """Run the script and report how it ended; the outcome is remembered for the next process of this attempt. False when
    silence ended it: then the next process goes on."""
    outcome = simulation.folder / f"outcome-{simulation.job.attempt}"
    if outcome.exists():
        return True
    try:
        simulation.run(hello)
    except SupersededError:
        simulation.report.close()
        simulation.dead_man.close()
    except StoppedError as stop:
        simulation.say("stopping", True, message=f"Training was {stop.cause}.", code=stop.cause)
        if stop.cause == "silence":
            simulation.dead_man.saved.set()
            return False
    except (SimulatedFailure, TrainerError) as error:
        reason = getattr(error, "end_reason", str(error))
        simulation.say(
            "error", True, end_reason=reason, message=f"As scripted: {error}", step=simulation.step
        )
    simulation.dead_man.saved.set()
    outcome.write_text("ended")
    simulation.report.flush(60.0)
    return True


def simulate(variables: Mapping[str, str], name: str) -> None:
    """Be the pod of a job until it is switched off."""
    environment = config.read_environment(variables)
    job, address = config.parse_job(environment.job_text), config.parse_address(environment.job_text)
    folder = environment.work_dir_for(job)
    folder.mkdir(parents=True, exist_ok=True)
    client = httpx.Client()
    plane = ControlPlane(job.api_url, job.job_id, environment.secret, client)
    spool = Spool(folder / f"spool-{job.attempt}.jsonl")
    report = Reporter(plane, address, spool, job.report_interval_seconds, job.watched_interval_seconds)
    transfers = Transfers(plane, address, client, base_seconds=min(1.0, job.watched_interval_seconds / 5))
    report.superseded = transfers.cancelled
    identity = PodIdentity(environment.provider_url, environment.pod_id, environment.pod_key)
    script = Script.of(name)
    patience = script.dead_man or job.dead_man_seconds
    dead_man = DeadMan(
        lambda: report.silent_seconds,
        patience,
        lambda: delete_own_pod(identity, client),
    )
    simulation = Simulation(environment, job, script, report, transfers, dead_man)
    Termination(simulation.terminate).install()
    dead_man.start()
    body = {"trainer_version": "simulated", "process": uuid.uuid4().hex, "image_digest": None, "gpu": None}
    hello = report.hello(body, dead_man.expired.is_set)
    if hello is not None:
        report.start()
        if not live(simulation, hello):
            # As the real one does: when somebody answers again, the process that the provider starts next goes on.
            while report.silent_seconds >= patience:
                threading.Event().wait(HEARD_POLL_SECONDS)
            return
    threading.Event().wait()
