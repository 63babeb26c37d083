"""A one-machine stack whose pods are simulated trainers and whose functions are metered."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from chalicelib.adapters.dynamo.jobs import DynamoJobs
from chalicelib.adapters.dynamo.progress import DynamoProgress
from chalicelib.adapters.dynamo.records import DynamoSettings
from chalicelib.domain.job import Job
from chalicelib.domain.job import Stage as JobStage
from stack.control import Stack
from stack.deployment import client
from stack.places import ACCESS_KEY, REGION

from benchmarks.storm.manners import Manners, command
from tests.stack.api import AGREED, Api
from tests.stack.waiting import wait_until
from tests.stack.world import build_package, example_rows

# Waits of the state machine that make a storm short; heartbeats stay what they are in production.
TIMINGS: Mapping[str, float] = {
    "termination_poll_seconds": 1,
    "recovery_backoff_seconds": 1,
    "no_capacity_backoff_seconds": 2,
    "report_interval_seconds": 5,
    "watched_interval_seconds": 5,
}
SPEND_CAP_USD = "3.00"
TRIES = 20
JOB_TIMEOUT_SECONDS = 600.0


class Stage:
    """Starts with `with`; removes nothing but what it started."""

    def __init__(self, folder: Path, timings: Mapping[str, float] = TIMINGS) -> None:
        self.calls = folder / "trainer_calls.jsonl"
        self.invocations = folder / "invocations.jsonl"
        self._manners = folder / "manners.json"
        self.behave(Manners())
        environment = {
            "LORA_PIPELINE_TIMINGS": json.dumps(dict(timings)),
            "LORA_PIPELINE_POD_COMMAND": command(self._manners),
            "METER_INVOCATIONS": str(self.invocations),
        }
        self._stack = Stack(folder / "home", port=0, environment=environment)
        self._seeds = itertools.count(1)
        self.refusals: list[str] = []

    def __enter__(self) -> Stage:
        build_package()
        self._stack.start()
        self.outputs = self._stack.outputs
        # The stores below find the stand-in as the functions do.
        os.environ |= {
            "AWS_ENDPOINT_URL": self.outputs["aws_endpoint_url"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }
        self.api = Api(self.outputs["api_url"], self.outputs["token"])
        prefix = self.outputs["deployment"]
        self.jobs, self.progress = DynamoJobs(prefix), DynamoProgress(prefix)
        self.settings = DynamoSettings(prefix)
        self.dataset_id = str(self.api.upload("Harbourlight, first part", example_rows())["id"])
        self._gpu = {"type": self.api.get("/catalog")["default_gpu"], "count": 1, "tier": "spot"}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.api.close()
        self._stack.stop()

    def behave(self, manners: Manners) -> Path:
        """Pods that start from now on behave so, and note their calls. Where it is written."""
        replace(manners, ledger=str(self.calls)).save(self._manners)
        return self._manners

    def limit(self, jobs_at_once: int) -> None:
        """The organisation's concurrency limit."""
        before = self.settings.get("organisation") or {}
        self.settings.put("organisation", {**before, "concurrency_limit": jobs_at_once})

    def start(self, http: httpx.Client, name: str) -> str:
        """The id of a job that was made and started in one call. RuntimeError with what was said otherwise."""
        wanted = {
            "name": name,
            "dataset_id": self.dataset_id,
            "preset_id": "custom",
            "base_model": "tiny-llama",
            "gpu": self._gpu,
            # One configuration trains once at a time.
            "seed": next(self._seeds),
            "hyperparameters": {
                "learning_rate": 0.001,
                "batch_size": 2,
                "gradient_accumulation_steps": 1,
                "epochs": 1,
                "rank": 8,
                "alpha": 16,
                "dropout": 0.0,
                "warmup_ratio": 0.05,
                "scheduler": "cosine",
                "max_sequence_length": 512,
            },
            "spend_cap_usd": SPEND_CAP_USD,
            "sample_questions": [],
            "start": {"acknowledged": AGREED},
        }
        key = "storm-" + name.replace(" ", "-")
        # A client that gets no answer asks again with the same key, and gets the job it asked for.
        for _ in range(TRIES):
            reply = http.post("/jobs", json=wanted, headers={"Idempotency-Key": key})
            if reply.status_code == 201:
                return str(reply.json()["data"]["id"])
            self.refusals.append(f"{reply.status_code} {reply.text[:200]}")
            time.sleep(1.0)
        raise RuntimeError(f"The job was not made in {TRIES} tries: {self.refusals[-1]}")

    def aws(self, service: str) -> Any:
        """A boto3 client of the AWS stand-in."""
        return client(service, self.outputs["aws_endpoint_url"])

    def invoke(self, function: str) -> None:
        """Run a scheduled function now."""
        name = f"{self.outputs['deployment']}-{function}"
        reply = self.aws("lambda").invoke(FunctionName=name, Payload=b"{}")
        payload = reply["Payload"].read()
        assert "FunctionError" not in reply, payload

    def until_over(self, job_id: str) -> Job:
        """The job once it is final and its pod is gone. AssertionError when it takes too long."""

        def read() -> Job | None:
            job = self.jobs.get(job_id)
            return job if job is not None and job.is_final and not job.cleanup_pending else None

        return wait_until(read, f"{job_id} has ended", JOB_TIMEOUT_SECONDS)

    def until_training(self, job_id: str) -> None:
        """Return once its trainer trains. AssertionError when it takes too long."""

        def trains() -> bool:
            job = self.jobs.get(job_id)
            return job is not None and job.stage is JobStage.TRAINING

        wait_until(trains, f"{job_id} trains", JOB_TIMEOUT_SECONDS)

    def history(self, job_id: str) -> list[dict[str, Any]]:
        """Every event of the first execution of a job, once it has ended: its last state comes after the job's last row."""
        arn = f"{self.outputs['state_machine_arn'].replace(':stateMachine:', ':execution:')}:{job_id}-r1"
        steps = self.aws("stepfunctions")
        wait_until(
            lambda: steps.describe_execution(executionArn=arn)["status"] != "RUNNING", f"{arn} has ended"
        )
        pages = steps.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def pods(self) -> list[dict[str, Any]]:
        """Every pod the provider ever rented out."""
        listed: list[dict[str, Any]] = httpx.get(f"{self.outputs['runpod_url']}/_pods", timeout=30).json()[
            "pods"
        ]
        return listed

    def trainer_calls(self) -> list[dict[str, Any]]:
        """What the simulated trainers noted of their calls, oldest first."""
        return lines_of(self.calls)

    def metered(self) -> list[dict[str, Any]]:
        """What the functions' workers noted of their invocations, oldest first."""
        return lines_of(self.invocations)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Lines of JSON; none when there is no file yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def most_at_once(pods: Sequence[Mapping[str, Any]]) -> int:
    """How many pods were billed at the same moment, at most."""
    changes = [(moment(pod["created_at"]), 1) for pod in pods]
    changes += [(moment(pod["ended_at"]), -1) for pod in pods if pod.get("ended_at")]
    most = now = 0
    # An end at the same moment comes first.
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def moment(text: str) -> float:
    """Unix time of an ISO instant."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def share_at(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed; of few values the greatest. 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
