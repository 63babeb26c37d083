"""A Lambda worker that sees what a Lambda sees: the standard library, the unzipped package, its own
environment.

Stock ministack runs handlers on its own interpreter with its own site-packages, unzips the package for
each worker, ends the worker whenever a handler raises, and waits 50 ms for log lines after each call that
wrote none.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ministack_launcher.code_folders import CodeFolders
from ministack_launcher.worker_main import LOG_MARK

WORKER_PROGRAM = Path(__file__).with_name("worker_main.py")
INIT_TIMEOUT_SECONDS = 60.0
LOG_TIMEOUT_SECONDS = 1.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "RECORD_AWS_CALLS", "METER_INVOCATIONS")


class ErrorMessage(str):
    """An error message that remembers the class name of the exception behind it."""

    error_type: str
    trace: str

    def __new__(cls, message: str, error_type: str, trace: str) -> ErrorMessage:
        text = super().__new__(cls, message)
        text.error_type = error_type
        text.trace = trace
        return text


def failure(answer: dict[str, Any]) -> dict[str, Any]:
    """An error answer of the worker program in the shape ministack's caller expects."""
    trace = answer.get("trace", "")
    message = ErrorMessage(answer["error"], answer.get("error_type", "Runtime.ExitError"), trace)
    return {"status": "error", "error": message, "trace": trace}


def lambda_environment(
    config: Mapping[str, Any], code_dir: Path, credentials: Mapping[str, str]
) -> dict[str, str]:
    """The variables AWS sets for a function, its own variables, and the endpoint of this stand-in."""
    name = str(config.get("FunctionName", ""))
    region = str(config.get("FunctionArn", ":::us-east-1")).split(":")[3]
    port = os.environ["GATEWAY_PORT"]
    return {
        **{key: os.environ[key] for key in PASSED_ON if key in os.environ},
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        **config.get("Environment", {}).get("Variables", {}),
        **credentials,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python3.11')}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version", "$LATEST")),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": os.urandom(16).hex(),
        "LAMBDA_TASK_ROOT": str(code_dir),
        "_HANDLER": str(config.get("Handler", "")),
    }


class WorkerProcess:
    """One running worker program and the two threads that read what it says."""

    def __init__(self, environment: dict[str, str], code_dir: Path) -> None:
        # The base interpreter, not this environment's: its site-packages are not the Lambda's.
        python = getattr(sys, "_base_executable", sys.executable)
        self.process = subprocess.Popen(
            [python, "-I", "-S", str(WORKER_PROGRAM)],
            cwd=code_dir,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
        )
        self.answers: queue.Queue[str | None] = queue.Queue()
        self.log_lines: queue.Queue[str | None] = queue.Queue()
        for stream, lines in ((self.process.stdout, self.answers), (self.process.stderr, self.log_lines)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    @staticmethod
    def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    def ask(self, message: dict[str, Any], timeout_seconds: float) -> dict[str, Any] | None:
        """Send one message and wait for its answer; None when the time is up.

        A process that ended answers with an error of AWS's type Runtime.ExitError.
        """
        stdin = self.process.stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps(message) + "\n")
                stdin.flush()
            line = self.answers.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        except OSError:
            line = None
        if line is None:
            return {"status": "error", "error": "The function's process ended before it answered."}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def log(self) -> str:
        """What the function wrote up to its mark; what came so far if the mark does not come."""
        lines: list[str] = []
        while True:
            try:
                line = self.log_lines.get(timeout=LOG_TIMEOUT_SECONDS)
            except queue.Empty:
                break
            if line is None or line.endswith(LOG_MARK):
                break
            lines.append(line)
        return "\n".join(lines)

    def end(self) -> None:
        """Kill the process and collect it."""
        self.process.kill()
        self.process.wait()


def init_message(config: Mapping[str, Any], code_dir: Path) -> dict[str, Any]:
    """The first message a worker gets: what to import, and what the context object says."""
    module, _, handler = str(config.get("Handler", "index.handler")).rpartition(".")
    return {
        "code_dir": str(code_dir),
        "module": module.replace("/", "."),
        "handler": handler,
        "function_name": config.get("FunctionName", ""),
        "memory": config.get("MemorySize", 128),
    }


def start_worker(
    config: Mapping[str, Any], package: bytes, folders: CodeFolders, credentials: Mapping[str, str]
) -> tuple[WorkerProcess, dict[str, Any]]:
    """Start a worker and import its handler: (the worker, its first answer, `ready` or an error)."""
    code_dir = folders.folder(package)
    worker = WorkerProcess(lambda_environment(config, code_dir, credentials), code_dir)
    answer = worker.ask(init_message(config, code_dir), INIT_TIMEOUT_SECONDS)
    if answer is None:
        answer = {"status": "error", "error": f"The handler was not imported in {INIT_TIMEOUT_SECONDS:g} s."}
    return worker, answer
