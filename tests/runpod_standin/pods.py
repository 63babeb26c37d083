"""Short ways to make pods and look at them through the public API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.runpod_standin.process import StandInProcess
from tests.runpod_standin.waiting import wait_until

L40S = "NVIDIA L40S"


def body(**changes: Any) -> dict[str, Any]:
    """A create request in order."""
    return {"name": "n", "image": "i", "cloud": "SECURE", "gpu": {"id": L40S, "count": 1}, **changes}


def create(standin: StandInProcess, **changes: Any) -> str:
    """Id of a new pod."""
    reply = standin.call("POST", "/v2/pods", body(**changes))
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def show(standin: StandInProcess, pod_id: str) -> dict[str, Any]:
    pod: dict[str, Any] = standin.call("GET", f"/v2/pods/{pod_id}").json()
    return pod


def wait_for_status(standin: StandInProcess, pod_id: str, status: str) -> dict[str, Any]:
    wait_until(lambda: standin.book(pod_id)["status"] == status, f"pod {pod_id} is {status}")
    return standin.book(pod_id)


def wait_until_up(standin: StandInProcess, pod_id: str) -> int:
    """Pid of the pod's process, which has printed its first line and so has its signal handlers in place."""
    wait_until(lambda: "up" in standin.container_log(pod_id), f"the container of {pod_id} is up")
    return int(standin.book(pod_id)["pid"])


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_dead(pid: int) -> None:
    wait_until(lambda: not is_alive(pid), f"process {pid} is gone")


def kill(pid: int, number: int) -> None:
    os.kill(pid, number)
