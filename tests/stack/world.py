"""A running stack with hands on every part of it: the API, the clouds behind it, and the processes."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from local_models.__main__ import ensure_tiny
from stack import processes
from stack.control import Stack
from stack.deployment import client
from stack.places import REPOSITORY, child_environment

from tests.stack.api import Api
from tests.stack.waiting import wait_until

EXAMPLE = REPOSITORY / "examples" / "harbourlight-support.jsonl"
MODELS = REPOSITORY / "build" / "models"
CONVERSATIONS = 60
# Short, and long enough for a loaded machine of two cores: a trainer needs seconds to import its libraries.
TIMINGS = {
    "agent_poll_seconds": 10,
    "heartbeat_seconds": 6,
    "silent_pod_deadline_seconds": 120,
    "recovery_backoff_seconds": 1,
    "no_capacity_backoff_seconds": 3,
    "termination_poll_seconds": 1,
    "report_interval_seconds": 1,
    "watched_interval_seconds": 1,
    "checkpoint_every_seconds": 3,
    "dead_man_seconds": 120,
}


class World:
    """One stack in one folder, restarted as often as a test wants."""

    def __init__(
        self, folder: Path, timings: Mapping[str, float] = TIMINGS, pod_command: str | None = None
    ) -> None:
        ensure_tiny(MODELS)
        (folder / "models").mkdir(parents=True)
        for model in MODELS.iterdir():
            if not model.name.startswith("."):
                shutil.copytree(model, folder / "models" / model.name)
        environment = {
            "LORA_PIPELINE_TIMINGS": json.dumps(dict(timings)),
            "LORA_PIPELINE_POD_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "RECORD_AWS_CALLS": "1",
        }
        if pod_command is not None:
            environment["LORA_PIPELINE_POD_COMMAND"] = pod_command
        self._api: Api | None = None
        self.stack = Stack(folder, port=0, environment=environment)

    def start(self) -> World:
        """Bring the stack up, for the first time or again."""
        self.close()
        self.stack.start()
        self._api = Api(self.outputs["api_url"], self.outputs["token"])
        return self

    def stop(self) -> None:
        """Take everything down in order."""
        self.close()
        self.stack.stop()

    def close(self) -> None:
        """Drop the connections to the API."""
        if self._api is not None:
            self._api.close()
            self._api = None

    @property
    def api(self) -> Api:
        """The API of the running stack."""
        assert self._api is not None, "the stack is down"
        return self._api

    @property
    def outputs(self) -> dict[str, Any]:
        """Where everything is."""
        return self.stack.outputs

    def aws(self, service: str) -> Any:
        """A boto3 client of the AWS stand-in."""
        return client(service, self.outputs["aws_endpoint_url"])

    def invoke(self, function: str) -> Any:
        """Run a scheduled function now; what it returned."""
        reply = self.aws("lambda").invoke(
            FunctionName=f"{self.outputs['deployment']}-{function}", Payload=b"{}"
        )
        payload = json.loads(reply["Payload"].read())
        assert "FunctionError" not in reply, payload
        return payload

    def gpu(self) -> dict[str, Any]:
        """The catalogue's own choice, as a spot GPU."""
        return {"type": self.api.get("/catalog")["default_gpu"], "count": 1, "tier": "spot"}

    def log_lines(self) -> list[str]:
        """What the functions logged, group by group, each line after the name of its function."""
        logs = self.aws("logs")
        lines: list[str] = []
        for page in logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                name = group["logGroupName"]
                for events in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                    lines += [f"{name}: {event['message'].strip()}" for event in events["events"]]
        return lines

    def execution_status(self, execution: str) -> str:
        """RUNNING, SUCCEEDED, FAILED..."""
        described = self.aws("stepfunctions").describe_execution(executionArn=self._execution_arn(execution))
        return str(described["status"])

    def until_execution_ended(self, execution: str) -> str:
        """How it ended; the job's last row is written a moment before."""
        wait_until(lambda: self.execution_status(execution) != "RUNNING", f"{execution} has ended", 30)
        return self.execution_status(execution)

    def _execution_arn(self, execution: str) -> str:
        return f"{self.outputs['state_machine_arn'].replace(':stateMachine:', ':execution:')}:{execution}"

    def states(self, execution: str) -> list[str]:
        """The states an execution entered, in order."""
        arn = self._execution_arn(execution)
        pages = self.aws("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        return [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]

    def mails(self) -> list[dict[str, Any]]:
        """Every mail that was sent."""
        reply = httpx.get(f"{self.outputs['aws_endpoint_url']}/_ministack/ses/messages")
        return [mail for mails in reply.json()["messages"].values() for mail in mails]

    # The provider's side

    def arm(self, fault: str, **parameters: Any) -> None:
        """Make the GPU provider misbehave."""
        reply = httpx.post(f"{self.outputs['runpod_url']}/_faults", json={"fault": fault, **parameters})
        assert reply.status_code < 300, reply.text

    def fired(self, fault: str, name_contains: str) -> int:
        """How often a fault that was armed for one name has struck."""
        armed = httpx.get(f"{self.outputs['runpod_url']}/_faults").json()["faults"]
        return sum(
            int(each["fired"])
            for each in armed
            if (each["fault"], each.get("name_contains")) == (fault, name_contains)
        )

    def disarm(self, name_contains: str | None = None) -> None:
        """Make the GPU provider behave again, towards everybody or where faults were armed for one name."""
        only = {} if name_contains is None else {"name_contains": name_contains}
        assert httpx.delete(f"{self.outputs['runpod_url']}/_faults", params=only).status_code < 300

    def every_pod(self) -> list[dict[str, Any]]:
        """Every pod the provider ever rented out, oldest first."""
        listed: list[dict[str, Any]] = httpx.get(f"{self.outputs['runpod_url']}/_pods", timeout=60).json()[
            "pods"
        ]
        return listed

    def ledger(self, job_id: str) -> list[dict[str, Any]]:
        """Every pod the provider ever rented out for a job, oldest first."""
        return [pod for pod in self.every_pod() if f"-{job_id}-" in pod["name"]]

    def reclaim(self, pod_id: str, signal: str) -> None:
        """Take a spot GPU away, with a warning (TERM) or without (KILL)."""
        url = f"{self.outputs['runpod_url']}/_pods/{pod_id}/kill"
        reply = httpx.post(url, json={"signal": signal, "exit": True})
        assert reply.status_code < 300, reply.text

    def listed_pods(self, job_id: str) -> list[dict[str, Any]]:
        """What the provider's own API lists for a job."""
        headers = {"Authorization": f"Bearer {self.outputs['runpod_api_key']}"}
        reply = httpx.get(f"{self.outputs['runpod_url']}/v2/pods", headers=headers)
        reply.raise_for_status()
        body = reply.json()
        pods = body if isinstance(body, list) else body.get("pods", body.get("data", []))
        return [pod for pod in pods if f"-{job_id}-" in pod["name"]]

    def pod_processes(self) -> list[str]:
        """Command lines of the processes below the provider's stand-in."""
        below = processes.descendants(self.outputs["pids"]["runpod"])
        return [line for line in map(_command_line, below) if line]

    def assert_nothing_left(self, job_id: str) -> None:
        """No pod is listed and none is billed any more; returns once no process of a pod runs."""
        assert self.listed_pods(job_id) == []
        assert [pod for pod in self.ledger(job_id) if pod["status"] == "RUNNING"] == []
        wait_until(lambda: not self.pod_processes(), "no process of a pod is left", 20)


def example_rows(count: int = CONVERSATIONS) -> bytes:
    """The first conversations of the example."""
    return b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:count])


def build_package() -> None:
    """Bring build/package to the present sources; quick when it is there. One test process at a time."""
    lock = REPOSITORY / "build" / "package.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "infrastructure.package"],
            cwd=REPOSITORY,
            env=child_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
