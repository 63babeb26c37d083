"""Starts, stops and kills a stack from Python, for tests and the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from stack import pods, processes
from stack.files import read_json
from stack.places import REPOSITORY, Home, child_environment
from stack.stop import RUN_GRACE_SECONDS
from stack.waiting import StartFailedError, answers, log_tail

POLL_SECONDS = 0.1
START_TIMEOUT_SECONDS = 180.0
DEAD_CHILD_SECONDS = 1.0


class Stack:
    """A stack in the folder `home`; `port` 0 means a free port, kept from then on.

    `environment` adds variables to the child, for example LORA_PIPELINE_TIMINGS.
    """

    def __init__(self, home: Path | str, port: int = 0, environment: Mapping[str, str] | None = None) -> None:
        self.home = Home(Path(home).resolve())
        self._environment = {
            **child_environment(),
            **(environment or {}),
            "LORA_PIPELINE_HOME": str(self.home.path),
            "PORT": str(port),
        }
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def outputs(self) -> dict[str, Any]:
        """What outputs.json holds now; empty while the stack is down."""
        return read_json(self.home.outputs)

    def start(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> Stack:
        """Bring the stack up and return when its site answers. Raises StartFailedError."""
        self._collect_dead_child()
        log = self.home.log("stack")
        child = processes.start([sys.executable, "-m", "stack", "run"], self._environment, log, REPOSITORY)
        self._child = child
        deadline = time.monotonic() + timeout_seconds
        while not self._is_up(child.pid):
            if child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartFailedError(
                    f"The stack did not come up (log: {log}). Its last words:\n{log_tail(log)}"
                )
            time.sleep(POLL_SECONDS)
        return self

    def stop(self) -> None:
        """Stop everything in order and return when it is gone; harmless when it is down."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(RUN_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def kill9(self, include_pods: bool = False) -> None:
        """Kill every process of the stack at once, as a power cut would; pods live on unless included."""
        recorded = processes.ProcessBook(self.home.processes).all()
        living_pods = pods.living(self.outputs.get("runpod_url", "")) if include_pods else []
        for process in recorded.values():
            processes.send(process, signal.SIGKILL)
        for pod in living_pods:
            processes.kill(pod)
        for process in recorded.values():
            if self._child is not None and process.pid == self._child.pid:
                self._child.wait()
            processes.wait_gone(process, processes.KILL_WAIT_SECONDS)
        self._child = None

    def _collect_dead_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        try:
            child.wait(DEAD_CHILD_SECONDS)
        except subprocess.TimeoutExpired as error:
            self._child = child
            raise StartFailedError(f"The stack in {self.home.path} is up already.") from error

    def _is_up(self, child_pid: int) -> bool:
        outputs = self.outputs
        started = outputs.get("pids", {}).get("stack") == child_pid
        return started and answers(outputs["site_url"])

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
