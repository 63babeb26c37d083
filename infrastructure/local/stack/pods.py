"""Pods of the RunPod stand-in: processes that outlive a killed stack, and must not outlive a stopped one."""

from __future__ import annotations

import json
import subprocess
import urllib.request

from stack import processes, waiting
from stack.places import REPOSITORY, Home, child_environment, own_python
from stack.processes import Recorded

ASK_TIMEOUT_SECONDS = 5.0
START_TIMEOUT_SECONDS = 30.0
END_TIMEOUT_SECONDS = 30.0


def living(runpod_url: str) -> list[Recorded]:
    """The processes of every pod, children included; none when the stand-in does not answer."""
    try:
        with urllib.request.urlopen(f"{runpod_url}/_pods", timeout=ASK_TIMEOUT_SECONDS) as reply:  # noqa: S310
            listed = json.load(reply)["pods"]
    except OSError:
        return []
    leaders = [int(pod["pid"]) for pod in listed if pod.get("pid")]
    pids = [pid for leader in leaders for pid in (leader, *processes.descendants(leader))]
    return [processes.record_of(pid) for pid in pids]


def stop_left_over(home: Home) -> None:
    """End the pods that a killed stand-in left behind: a successor finds them and ends them with itself.

    Raises StartFailedError when the successor does not start.
    """
    if not home.runpod.exists():
        return
    log = home.log("runpod")
    port = waiting.free_port()
    command = [own_python(), "-m", "runpod_standin", "--port", str(port), "--state-dir", str(home.runpod)]
    # The key only matters to its API, which nobody calls here.
    command += ["--api-key", "none"]
    successor = processes.start(command, child_environment(), log, REPOSITORY)
    try:
        url = f"http://127.0.0.1:{port}"
        waiting.wait_until_answers("RunPod stand-in", url, successor, log, START_TIMEOUT_SECONDS)
    finally:
        successor.terminate()
        try:
            successor.wait(END_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            successor.kill()
            successor.wait()
