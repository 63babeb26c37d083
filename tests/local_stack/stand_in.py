"""Runs the AWS stand-in as a child: corrected, or as it comes, to show what each correction is for."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ministack_launcher.launch import settings
from stack.deployment import client
from stack.places import REPOSITORY, child_environment, stack_python
from stack.waiting import answers, free_port, log_tail

T = TypeVar("T")
WAIT_SECONDS = 30.0
ROLE = "arn:aws:iam::000000000000:role/test"


def wait_until(read: Callable[[], T | None], what: str, timeout_seconds: float = WAIT_SECONDS) -> T:
    """The first value of `read` that is true; fails the test when there is none in time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = read()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Not in {timeout_seconds:g} s: {what}")
        time.sleep(0.05)


class StandIn:
    """One ministack on a port and folder of its own."""

    def __init__(self, folder: Path, corrected: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._corrected = corrected
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process number while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> StandIn:
        """Start and wait for health."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder.parent / f"{self.folder.name}.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(), env=self._environment(), stdout=output, stderr=output, start_new_session=True
            )
        process = self._process

        def is_up() -> bool:
            assert process.poll() is None, log_tail(log)
            return answers(f"{self.url}/_ministack/health")

        wait_until(is_up, "the stand-in answers")
        return self

    def kill9(self) -> None:
        """Kill it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it in order; harmless when it is down."""
        self._end(signal.SIGTERM)

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return client(service, self.url)

    def function(
        self, name: str, source: str, handler: str = "code.handler", timeout_seconds: int = 10
    ) -> str:
        """Deploy Python source as a function and return its ARN."""
        return str(
            self.client("lambda").create_function(
                FunctionName=name,
                Runtime="python3.11",
                Role=ROLE,
                Handler=handler,
                Timeout=timeout_seconds,
                Code={"ZipFile": zipped({f"{handler.partition('.')[0]}.py": source})},
            )["FunctionArn"]
        )

    def invoke(self, name: str, event: Any = None) -> tuple[Any, str | None]:
        """(what the function returned, the kind of its error or None)."""
        reply = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}).encode())
        return json.loads(reply["Payload"].read()), reply.get("FunctionError")

    def machine(self, name: str, definition: dict[str, Any]) -> str:
        """Make a state machine and return its ARN."""
        made = self.client("stepfunctions").create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=ROLE
        )
        return str(made["stateMachineArn"])

    def finished(self, execution_arn: str, timeout_seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The execution once it no longer runs."""
        sfn = self.client("stepfunctions")

        def read() -> dict[str, Any] | None:
            described: dict[str, Any] = sfn.describe_execution(executionArn=execution_arn)
            return described if described["status"] != "RUNNING" else None

        return wait_until(read, "the execution ended", timeout_seconds)

    def _command(self) -> list[str]:
        if not self._corrected:
            return [stack_python(), "-m", "ministack"]
        return [
            stack_python(),
            "-m",
            "ministack_launcher",
            "--port",
            str(self.port),
            "--state-dir",
            str(self.folder),
        ]

    def _environment(self) -> dict[str, str]:
        if self._corrected:
            return child_environment()
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        return {**child_environment(), **settings(self.port, self.folder)}

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, number)
            process.wait(WAIT_SECONDS)


def zipped(files: dict[str, str]) -> bytes:
    """A zip in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def inside(program: str, folder: Path) -> Any:
    """Run a program in the stand-in's environment; the JSON its last line prints."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**child_environment(), **settings(free_port(), folder), "TMPDIR": str(folder)}
    done = subprocess.run(
        [stack_python(), "-c", program],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
