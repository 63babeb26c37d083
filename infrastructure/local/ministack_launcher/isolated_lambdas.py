"""Correction: Python Lambdas run in isolated workers, and errors keep the class name of their exception.

Stock ministack runs them with its own packages importable, so a dependency missing from the package goes
unseen, and reports every exception as `Runtime.HandlerError`, so that no Retry or Catch of a state
machine ever matches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack_launcher.code_folders import CodeFolders
from ministack_launcher.isolated_worker import ErrorMessage, WorkerProcess, failure, start_worker
from ministack_launcher.patching import require

PATCH = "isolated Lambdas"
EXPECTED_RUNTIME = {
    "_worker_class_for": "b5a23849280af819",
    "Worker": "a0bd1819a7040c1e",
    "acquire_worker": "5017d144adb5b983",
    "release_worker": "25d5dd7d42b6e30c",
    "reap_idle_workers": "d0e5aa7c2b5902ae",
    "kill_workers": "56a6df63f9bd4859",
    "execution_credentials": "cffaadc4f396f6e4",
}
EXPECTED_LAMBDA = {
    "_execute_function_warm": "62b9218bef5b948a",
    "_fetch_code_from_s3": "e05246c20b3215cf",
    "_write_code_blob": "69a68bb703da7164",
}


class InitFailedError(RuntimeError):
    """A package whose handler cannot be imported."""

    def __init__(self, message: Any, log: str) -> None:
        super().__init__(str(message))
        self.message = message
        self.log = log


class IsolatedWorker:
    """ministack's pool keeps these; only starting, invoking and ending differ from its own workers.

    Mixed into its `Worker`, whose attributes (`config`, `code_zip`, `_proc`, `_lock`) the pool works with.
    """

    config: dict[str, Any]
    code_zip: bytes
    _lock: threading.Lock
    _proc: Any
    _folders: CodeFolders
    _credentials: Callable[[dict[str, Any]], dict[str, str]]
    _running: WorkerProcess | None = None

    def invoke(self, event: Any, request_id: str, **call: Any) -> dict[str, Any]:
        """Run one invocation, starting the worker first if none runs."""
        with self._lock:
            worker = self._running if self._proc is not None and self._proc.poll() is None else None
            cold = worker is None
            try:
                result = self._call(worker or self._spawn(), event, request_id, call)
            except InitFailedError as error:
                result = {"status": "error", "error": error.message, "log": error.log}
            return {**result, "cold_start": cold}

    def _spawn(self) -> WorkerProcess:
        credentials = {k: v for k, v in type(self)._credentials(self.config).items() if v}
        worker, answer = start_worker(self.config, self.code_zip, self._folders, credentials)
        log = worker.log()
        if answer["status"] != "ready":
            worker.end()
            raise InitFailedError(failure(answer)["error"], log)
        self._running = worker
        self._proc = worker.process
        return worker

    def _call(
        self, worker: WorkerProcess, event: Any, request_id: str, call: dict[str, Any]
    ) -> dict[str, Any]:
        timeout_seconds = float(self.config.get("Timeout", 30))
        context = {
            "request_id": request_id,
            "invoked_function_arn": call.get("invoked_function_arn") or self.config.get("FunctionArn", ""),
            "timeout_ms": int(timeout_seconds * 1000),
            "trace_id": call.get("trace_id"),
        }
        answer = worker.ask({"event": event, "ctx": context}, timeout_seconds)
        if answer is None:
            self._end(worker)
            # The wording by which ministack's caller recognises a timeout.
            message = f"Task timed out after {self.config.get('Timeout', 30)}.00 seconds"
            return {"status": "error", "error": message, "log": worker.log()}
        log = worker.log()
        if answer["status"] == "ok":
            return {**answer, "log": log}
        if worker.process.poll() is not None:
            self._end(worker)
        return {**failure(answer), "log": log}

    def _end(self, worker: WorkerProcess) -> None:
        worker.end()
        self._running = None
        self._proc = None

    def _discard_tmpdir(self) -> None:
        self._running = None


def _keep_error_types(lambda_service: Any) -> None:
    execute = lambda_service._execute_function_warm

    def execute_function_warm(func: Any, event: Any, request_id: str) -> Any:
        result = execute(func, event, request_id)
        body = result.get("body") if isinstance(result, dict) and result.get("error") else None
        message = body.get("errorMessage") if isinstance(body, dict) else None
        if isinstance(body, dict) and isinstance(message, ErrorMessage):
            body["errorMessage"] = str(message)
            body["errorType"] = message.error_type
            body["requestId"] = request_id
            body["stackTrace"] = message.trace.splitlines()
        return result

    lambda_service._execute_function_warm = execute_function_warm


def _share_packages(lambda_service: Any, folders: CodeFolders) -> None:
    fetch = lambda_service._fetch_code_from_s3
    write = lambda_service._write_code_blob

    def fetch_code_from_s3(bucket: str, key: str, version_id: str | None = None) -> bytes | None:
        package = fetch(bucket, key, version_id)
        return None if package is None else folders.shared(package)

    def write_code_blob(package: bytes) -> str:
        digest = folders.digest(package)
        # Hashing and copying 20 MB for every function in every snapshot is what made snapshots slow.
        return (
            digest if (Path(lambda_service.CODE_BLOB_DIR) / f"{digest}.zip").exists() else str(write(package))
        )

    lambda_service._fetch_code_from_s3 = fetch_code_from_s3
    lambda_service._write_code_blob = write_code_blob


def apply(runtime: Any, lambda_service: Any, folders: CodeFolders) -> None:
    """Correct `ministack.core.lambda_runtime` and `ministack.services.lambda_svc`."""
    require(PATCH, runtime, EXPECTED_RUNTIME)
    require(PATCH, lambda_service, EXPECTED_LAMBDA)
    stock_choice = runtime._worker_class_for
    isolated = type(
        "IsolatedWorkerOfPool",
        (IsolatedWorker, runtime.Worker),
        {"_folders": folders, "_credentials": staticmethod(runtime.execution_credentials)},
    )

    def worker_class_for(config: dict[str, Any]) -> Any:
        python = str(config.get("Runtime", "")).startswith("python")
        return isolated if python else stock_choice(config)

    runtime._worker_class_for = worker_class_for
    _keep_error_types(lambda_service)
    _share_packages(lambda_service, folders)


def deployed_packages(lambda_service: Any) -> list[bytes]:
    """The packages of every deployed function, in every account and region."""
    functions = lambda_service._functions._data.values()
    return [f["code_zip"] for f in functions if isinstance(f.get("code_zip"), bytes)]
