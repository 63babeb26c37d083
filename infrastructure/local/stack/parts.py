"""The servers a stack consists of: how each is started, and how long it may take to stop."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from stack import waiting
from stack.lasting_settings import LastingSettings
from stack.places import REPOSITORY, Home, child_environment, own_python, stack_python
from stack.processes import ProcessBook, record_of, start

AWS, RUNPOD, SITE = "aws", "runpod", "site"
# The stand-in for RunPod first: it stops its pods, which still report to the site while they save.
STOP_ORDER = (RUNPOD, SITE, AWS)
STOP_GRACE_SECONDS = {RUNPOD: 30.0, SITE: 6.0, AWS: 20.0}
START_TIMEOUT_SECONDS = 60.0


class Parts:
    """Starts the servers of one stack and records each at once."""

    def __init__(self, home: Home, settings: LastingSettings) -> None:
        self._home = home
        self._settings = settings
        self._book = ProcessBook(home.processes)
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def start_aws(self) -> None:
        """The AWS stand-in."""
        self._start(
            AWS,
            [
                stack_python(),
                "-m",
                "ministack_launcher",
                "--port",
                str(self._settings.aws_port),
                "--state-dir",
                str(self._home.aws),
            ],
            REPOSITORY,
        )

    def start_runpod(self) -> None:
        """The RunPod stand-in; its pods are processes of its own, which it finds again after a kill."""
        threads = os.environ.get("LORA_PIPELINE_POD_THREADS")
        command = os.environ.get("LORA_PIPELINE_POD_COMMAND")
        self._start(
            RUNPOD,
            [
                own_python(),
                "-m",
                "runpod_standin",
                "--port",
                str(self._settings.runpod_port),
                "--state-dir",
                str(self._home.runpod),
                "--api-key",
                self._settings.runpod_api_key,
                "--models-dir",
                str(self._home.models),
                *(["--threads", threads] if threads else []),
                *(["--command", command] if command else []),
            ],
            REPOSITORY,
        )

    def start_site(self, stage_url: str, frontend: Path) -> None:
        """The one origin of site and API."""
        self._start(
            SITE,
            [
                own_python(),
                "-m",
                "stack.site_server",
                "--port",
                str(self._settings.site_port),
                "--api-url",
                stage_url,
                "--bucket-origin",
                self._settings.aws_url,
                "--frontend",
                str(frontend),
            ],
            REPOSITORY,
        )

    def wait_for(self, name: str, url: str) -> None:
        """Return when a started part answers. Raises StartFailedError."""
        waiting.wait_until_answers(name, url, self.started[name], self._home.log(name), START_TIMEOUT_SECONDS)

    def ended(self) -> str | None:
        """The name of a part that ended by itself, or None while all run."""
        return next((name for name, process in self.started.items() if process.poll() is not None), None)

    def stop(self, leave_pods: bool) -> None:
        """Stop everything in order: a request each, a grace, then force. Collects every child.

        With `leave_pods` the RunPod stand-in is killed instead, so that the next start finds its pods alive.
        """
        standin = self.started.get(RUNPOD)
        if leave_pods and standin is not None:
            standin.kill()
        for name in STOP_ORDER:
            process = self.started.get(name)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(STOP_GRACE_SECONDS[name])
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, name: str, command: list[str], folder: Path) -> None:
        process = start(command, child_environment(), self._home.log(name), folder)
        self.started[name] = process
        self._book.add(name, record_of(process.pid))
