"""Rough hands on a running stack: kills its workers, its emulator, all of it; finds what is left of pods."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runpod_standin.processes import Processes
from stack import processes

from tests.stack.waiting import wait_until
from tests.stack.world import World

WORKER_PROGRAM = "worker_main.py"
FUNCTION_VARIABLE = b"AWS_LAMBDA_FUNCTION_NAME="


def workers(world: World, function: str | None = None) -> list[int]:
    """Processes that run Lambda functions, of one function by its name without the deployment's."""
    found = []
    for pid in processes.descendants(world.outputs["pids"]["aws"]):
        name = _function_of(pid)
        if name and (function is None or name == f"{world.outputs['deployment']}-{function}"):
            found.append(pid)
    return found


def kill_workers(world: World, function: str | None = None) -> int:
    """`kill -9` for them; how many there were."""
    found = workers(world, function)
    for pid in found:
        send(pid, signal.SIGKILL)
    return len(found)


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _function_of(pid: int) -> str:
    try:
        if WORKER_PROGRAM not in Path(f"/proc/{pid}/cmdline").read_text():
            return ""
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    named = [each for each in variables if each.startswith(FUNCTION_VARIABLE)]
    return named[0].removeprefix(FUNCTION_VARIABLE).decode() if named else ""


def kill_emulator(world: World) -> None:
    """`kill -9` for the AWS stand-in alone. The stack then ends itself, leaves the pods, and is started again."""
    outputs = world.outputs
    world.close()
    send(outputs["pids"]["aws"], signal.SIGKILL)
    stack = processes.record_of(outputs["pids"]["stack"])
    wait_until(lambda: not processes.is_running(stack), "the stack without its emulator ends", 60)


def kill_stack(world: World, include_pods: bool) -> None:
    """`kill -9` for every process of the stack at once."""
    world.close()
    world.stack.kill9(include_pods=include_pods)


def kill_pods(world: World, job_ids: Iterable[str]) -> None:
    """`kill -9` for the processes of a job's pods, behind the provider's back."""
    for job_id in job_ids:
        for pid in processes_of(world.ledger(job_id)):
            send(pid, signal.SIGKILL)


def processes_of(pods: Iterable[dict[str, Any]]) -> list[int]:
    """Living processes of pods, also of those that an earlier stand-in started."""
    return [pid for pod in pods for pid in Processes().marked(f"RUNPOD_POD_ID={pod['id']}")]


def _settings(world: World) -> str:
    return f"{world.outputs['deployment']}-settings"


def let_the_account_be_tried(world: World) -> None:
    """The minutes pass after which a provider account that was refused is tried again."""
    table, key = _settings(world), {"name": {"S": "account_circuit"}}
    row = world.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    circuit = {**json.loads(row["document"]["S"]), "tried_at": "2020-01-01T00:00:00+00:00"}
    world.aws("dynamodb").put_item(TableName=table, Item={**row, "document": {"S": json.dumps(circuit)}})


def forget_the_account(world: World) -> None:
    """No outage of the provider's account is known any more."""
    world.aws("dynamodb").delete_item(TableName=_settings(world), Key={"name": {"S": "account_circuit"}})


def set_slots(world: World, limit: int) -> None:
    """How many jobs may run at once, as the organisation's settings say it."""
    world.aws("dynamodb").put_item(
        TableName=_settings(world),
        Item={"name": {"S": "organisation"}, "document": {"S": json.dumps({"concurrency_limit": limit})}},
    )


def holders(world: World) -> str:
    """The row that says who holds slots, as text."""
    row = world.aws("dynamodb").get_item(
        TableName=_settings(world), Key={"name": {"S": "slots"}}, ConsistentRead=True
    )
    return str(row.get("Item", ""))


def remove_object(world: World, key: str) -> None:
    """A file that storage loses."""
    world.aws("s3").delete_object(Bucket=world.outputs["bucket"], Key=key)


def stored_keys(world: World, prefix: str) -> list[str]:
    """What storage holds below a prefix, in order."""
    pages = world.aws("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=world.outputs["bucket"], Prefix=prefix)
    return sorted(item["Key"] for page in found for item in page.get("Contents", []))
