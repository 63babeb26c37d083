"""Runs inside a Lambda worker when METER_INVOCATIONS names a file: appends a line of JSON for each invocation with its
time, what it logged, and every AWS call with the bytes it read and wrote. What AWS bills can be counted from it.

Loaded by path from `worker_main.py`; it imports nothing of this project, only the function's own botocore.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class Counted:
    """A stream that counts what is written through it. Lines cost more than their bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lines = self.bytes = 0

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        self.bytes += len(text.encode("utf-8", "replace"))
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def value_bytes(value: Any) -> int:
    """The size of one attribute value in DynamoDB's own form, by its documented rules."""
    if not isinstance(value, Mapping):
        return len(str(value).encode())
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode("utf-8", "surrogatepass"))
    if kind == "N":
        return (len(str(content).strip("-").replace(".", "")) + 1) // 2 + 1
    if kind == "B":
        return len(content)
    if kind == "M":
        return 3 + item_bytes(content) + len(content)
    if kind in {"L", "SS", "NS", "BS"}:
        return 3 + sum(value_bytes(each) + 1 for each in content)
    return 1


def item_bytes(item: Mapping[str, Any]) -> int:
    """Names and values of an item."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def written(operation: str, parameters: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """{table, kind, bytes} of each item that a call writes; a deletion or an update is counted by its key."""
    if operation in {"PutItem", "UpdateItem", "DeleteItem"}:
        item = parameters.get("Item") or parameters["Key"]
        yield {"table": parameters["TableName"], "kind": operation, "bytes": item_bytes(item)}
    elif operation == "TransactWriteItems":
        for entry in parameters["TransactItems"]:
            ((kind, write),) = entry.items()
            size = item_bytes(write.get("Item") or write["Key"])
            yield {"table": write["TableName"], "kind": kind, "bytes": size}
    elif operation == "BatchWriteItem":
        for table, requests in parameters["RequestItems"].items():
            for request in requests:
                ((kind, write),) = request.items()
                size = item_bytes(write.get("Item") or write["Key"])
                yield {"table": table, "kind": kind, "bytes": size}


class Meter:
    """Counts the invocations of one worker."""

    def __init__(self, path: str, function: str, memory_mb: int) -> None:
        self._path, self._function, self._memory_mb = path, function, memory_mb
        self._calls: list[dict[str, Any]] = []
        self._began = 0.0
        self._cold = True
        self._log = Counted(sys.stderr)

    def install(self) -> None:
        """Before the handler is imported, so that its loggers write through the counter."""
        sys.stderr = sys.stdout = self._log
        client: Any = importlib.import_module("botocore.client").BaseClient
        signers: Any = importlib.import_module("botocore.signers")
        call, presign = client._make_api_call, signers.generate_presigned_url

        def make_api_call(client_self: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
            entry = self._entry(client_self, operation, parameters)
            try:
                reply = call(client_self, operation, parameters)
            except Exception as error:
                entry["error"] = type(error).__name__
                raise
            finally:
                entry["ended_milliseconds"] = self._milliseconds()
            entry["read_bytes"] = [item_bytes(item) for item in _items(reply)]
            return reply

        def generate_presigned_url(client_self: Any, ClientMethod: str, *rest: Any, **named: Any) -> Any:  # noqa: N803
            operation = client_self.meta.method_to_api_mapping[ClientMethod]
            self._calls.append({"service": "s3", "operation": operation, "presigned": True})
            return presign(client_self, ClientMethod, *rest, **named)

        client._make_api_call = make_api_call
        signers.generate_presigned_url = generate_presigned_url

    def measure(self, event: Any, invoke: Callable[[], str]) -> str:
        """The answer of `invoke`; its figures go into the file."""
        self._calls.clear()
        self._log.lines = self._log.bytes = 0
        began_at, cpu = time.time(), time.process_time()
        self._began = time.perf_counter()
        answer = invoke()
        line = {
            "function": self._function,
            "memory_mb": self._memory_mb,
            "route": _route(event),
            "job_id": _job_id(event),
            "at": began_at,
            "milliseconds": self._milliseconds(),
            "cpu_milliseconds": round((time.process_time() - cpu) * 1000, 3),
            "cold": self._cold,
            "failed": answer.startswith('{"status": "error"'),
            "status": _status(answer),
            "log_lines": self._log.lines,
            "log_bytes": self._log.bytes,
            "calls": self._calls,
        }
        self._cold = False
        # One write to a file opened for appending: lines of many workers do not mix.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
        finally:
            os.close(descriptor)
        return answer

    def _milliseconds(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 3)

    def _entry(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        service = client.meta.service_model.service_name
        entry = {"service": service, "operation": operation, "began_milliseconds": self._milliseconds()}
        if service == "dynamodb":
            entry["table"] = parameters.get("TableName")
            entry["index"] = parameters.get("IndexName")
            entry["consistent"] = bool(parameters.get("ConsistentRead"))
            entry["written"] = list(written(operation, parameters))
        self._calls.append(entry)
        return entry


def _items(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    one = reply.get("Item")
    return [one] if isinstance(one, Mapping) else list(reply.get("Items") or [])


def _route(event: Any) -> str | None:
    """`POST /webhooks/pods/{job_id}/events` for a request of the gateway."""
    if isinstance(event, Mapping) and "httpMethod" in event:
        return f"{event['httpMethod']} {event.get('resource')}"
    return None


def _job_id(event: Any) -> str | None:
    if not isinstance(event, Mapping):
        return None
    job = event.get("job", event)
    path = event.get("pathParameters") or {}
    return path.get("job_id") or (job.get("job_id") if isinstance(job, Mapping) else None)


def _status(answer: str) -> int | None:
    result = json.loads(answer).get("result")
    return result.get("statusCode") if isinstance(result, Mapping) else None
