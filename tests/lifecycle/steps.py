"""The step Lambdas over a `World`, as steps/*.py call the use cases."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.domain.attempt import total_usd
from chalicelib.use_cases.again import change_job
from chalicelib.use_cases.await_stage import await_stage
from chalicelib.use_cases.collect_artifacts import collect_artifacts
from chalicelib.use_cases.dispatch_queue import dispatch_queue
from chalicelib.use_cases.poll_pod import poll_pod
from chalicelib.use_cases.prepare_recovery import prepare_recovery
from chalicelib.use_cases.provision_pod import provision_pod
from chalicelib.use_cases.terminate_pod import terminate_pod

from tests.lifecycle.machine import Lambda

if TYPE_CHECKING:
    from tests.lifecycle.world import World

DEPLOYMENT = "test"


def step_lambdas(world: World) -> dict[str, Lambda]:
    return {
        "ProvisionPod": lambda event: provision_pod(
            event["job_id"], event["run"], desk=world.desk(), landlord=world.landlord()
        ),
        "AwaitStage": partial(_await_stage, world),
        "PollPod": partial(_poll_pod, world),
        "PrepareRecovery": partial(_prepare_recovery, world),
        "TerminatePod": partial(_terminate_pod, world),
        "CollectArtifacts": partial(_collect_artifacts, world),
        "SettleJob": partial(_settle_job, world),
    }


def _await_stage(world: World, event: dict[str, Any]) -> Any:
    job = event["job"]
    return await_stage(
        job["job_id"],
        job["run"],
        event["waiting_for"],
        event["token"],
        jobs=world.jobs,
        progress=world.progress,
        workflow=world.machine,
        timings=job["timings"],
        now=world.clock.now,
    )


def _poll_pod(world: World, event: dict[str, Any]) -> Any:
    return poll_pod(
        event["job_id"],
        jobs=world.jobs,
        progress=world.progress,
        attempts=world.attempts,
        cloud=world.cloud,
        documents=world.documents,
        timings=event["timings"],
        now=world.clock.now,
        sleep=lambda seconds: (world.clock.advance(seconds), None)[1],
    )


def _prepare_recovery(world: World, event: dict[str, Any]) -> Any:
    return prepare_recovery(
        event["job_id"],
        event["run"],
        event["attempt"],
        jobs=world.jobs,
        progress=world.progress,
        attempts=world.attempts,
        timings=event["timings"],
        now=world.clock.now,
    )


def _terminate_pod(world: World, event: dict[str, Any]) -> Any:
    return terminate_pod(
        event["job"]["job_id"],
        event["job"]["run"],
        recovering=event["recovering"],
        failure=event["failure"],
        deployment=DEPLOYMENT,
        jobs=world.jobs,
        progress=world.progress,
        attempts=world.attempts,
        terminations=world.terminations,
        costs=world.costs,
        cloud=world.cloud,
        timings=event["job"]["timings"],
        now=world.clock.now,
    )


def _collect_artifacts(world: World, event: dict[str, Any]) -> Any:
    job, now = world.job(event["job_id"]), world.clock.now
    row = world.progress.get(job.id)
    model = collect_artifacts(
        job,
        row.artifacts if row else None,
        files=world.files,
        models=world.models,
        now=now,
        cost_usd=total_usd(world.attempts.of_job(job.id), now),
    )
    change_job(world.jobs, job.id, lambda before: replace(before, model_id=model.id, changed_at=now))
    return {"model_id": model.id}


def _settle_job(world: World, event: dict[str, Any]) -> Any:
    outcome = world.settle(event["job_id"], event["run"])
    dispatch_queue(
        jobs=world.jobs,
        workflow=world.machine,
        timings=world.timings,
        limit=world.limit,
        documents=world.documents,
        now=world.clock.now,
    )
    return outcome
