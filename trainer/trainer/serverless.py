"""`python -m trainer.serverless`: the same trainer as the worker of a RunPod serverless endpoint.

One queued request trains one adapter. Its input carries what a pod finds in its environment:
`{"job": job file, "webhook_secret": "whsec_…"}`. Reports, checkpoints and artefacts travel as from a pod; the
request's output says only how the attempt ended. Each request gets a process of its own, so that a worker that is
kept warm starts with an empty GPU. The SDK and its local test mode: https://docs.runpod.io/serverless/workers
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from trainer import config
from trainer.errors import BadConfigurationError
from trainer.group import end_with_parent
from trainer.pod import outcome_of
from trainer.signals import BUDGET_SECONDS

log = logging.getLogger(__name__)

# A worker belongs to its endpoint: the trainer must not find the means to delete it.
OWN_POD = ("RUNPOD_POD_ID", "RUNPOD_API_KEY")
GOOD_ENDS = ("completed", "paused", "cancelled")


async def handle(request: Mapping[str, Any]) -> dict[str, Any]:
    """Train one request's job. Returns job_id, attempt and outcome; `error` is a sentence that fails the request."""
    try:
        variables = process_environment(request.get("input"), config.system_environment())
        environment = config.read_environment(variables)
        job = config.parse_job(environment.job_text)
    except BadConfigurationError as error:
        return {"error": str(error)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trainer", env=variables, preexec_fn=end_with_parent()
    )
    try:
        with _passing_on(process):
            code = await process.wait()
    finally:
        # The endpoint gave the request up: the next one must find the GPU free.
        if process.returncode is None:
            await asyncio.shield(_end(process))
    outcome = outcome_of(environment.work_dir_for(job), job.attempt)
    log.info("the trainer ended with code %d, outcome %s", code, outcome)
    if outcome in GOOD_ENDS:
        return {"job_id": job.job_id, "attempt": job.attempt, "outcome": outcome}
    if outcome is not None:
        return {"error": f"Attempt {job.attempt} of {job.job_id} {outcome}. The job's page says why."}
    return {
        "error": f"The trainer of attempt {job.attempt} of {job.job_id} was ended (code {code}). What it stored is "
        "kept: the same request, or a new attempt, continues from there."
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), BUDGET_SECONDS + 1)
    except TimeoutError:
        process.kill()
        await process.wait()


def process_environment(given: object, variables: Mapping[str, str]) -> dict[str, str]:
    """The trainer's environment for one request. Raises BadConfigurationError naming what is missing."""
    if not isinstance(given, Mapping):
        raise BadConfigurationError('The request has no "input" object with "job" and "webhook_secret".')
    job, secret = given.get("job"), given.get("webhook_secret")
    if not isinstance(job, Mapping):
        raise BadConfigurationError("input.job must be the job file, an object.")
    if not isinstance(secret, str):
        raise BadConfigurationError("input.webhook_secret must be text that starts with whsec_.")
    own = {name: value for name, value in variables.items() if name not in OWN_POD}
    if folder := own.get("LORA_PIPELINE_WORK_DIR"):
        # A warm worker's jobs must not find each other's ends.
        own["LORA_PIPELINE_WORK_DIR"] = f"{folder}/{job.get('job_id')}/{job.get('attempt')}"
    return own | {
        "LORA_PIPELINE_JOB": json.dumps(job),
        "LORA_PIPELINE_WEBHOOK_SECRET": secret,
        "LORA_PIPELINE_EXIT_WHEN_DONE": "1",
    }


@contextmanager
def _passing_on(process: asyncio.subprocess.Process) -> Iterator[None]:
    """While it lasts, a termination signal reaches the trainer first, which then has its seconds to save."""
    earlier = signal.getsignal(signal.SIGTERM)

    def pass_on(number: int, frame: FrameType | None) -> None:
        if process.returncode is None:
            process.send_signal(number)
        if callable(earlier):
            earlier(number, frame)

    signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def main() -> None:
    """Take requests from the endpoint's queue, or the one in test_input.json where there is no endpoint."""
    import runpod  # type: ignore[import-untyped]

    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    runpod.serverless.start({"handler": handle})


if __name__ == "__main__":
    main()
