"""A small real HTTP server with the three webhook routes and a storage, as strict as the contracts are."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

CONTRACTS = Path(__file__).parents[2] / "contracts"
TOLERANCE_SECONDS = 300


def validator(schema: str, part: str | None = None) -> Draft202012Validator:
    """A validator of one contract, or of its `request` or `reply` part; references between contracts resolve."""
    loaded = {path.name: json.loads(path.read_text()) for path in CONTRACTS.glob("*.schema.json")}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(content)) for name, content in loaded.items()
    )
    reference = f"{schema}.schema.json" + (f"#/$defs/{part}" if part else "")
    return Draft202012Validator(
        {"$ref": reference}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


class _Server(ThreadingHTTPServer):
    """Says nothing about trainers that were killed in the middle of a request."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FakeControlPlane:
    """Keeps what a trainer reports and stores; answers like the backend. Start with `with`."""

    def __init__(self, secret: bytes, dataset: bytes = b"") -> None:
        self.secret = secret
        self.files: dict[str, bytes] = {"dataset": dataset}
        self.hellos: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.problems: list[str] = []
        self.next_sequence = 0
        self.command = "continue"
        self.watched = True
        self.fence = "fence-0001"
        self.checkpoint: dict[str, Any] | None = None
        self.earlier: list[dict[str, Any]] = []
        self.on_store: Callable[[str], object] | None = None
        self.clock_offset_seconds = 0.0
        self.failures: list[int] = []
        self.storage_failures: list[int] = []
        self.deleted_pods: list[str] = []
        self.delete_status = 204
        self.before_reply: Callable[[str, dict[str, Any]], object] | None = None
        self.lock = threading.RLock()
        self._uploads: dict[str, tuple[int, str]] = {}
        self._contracts = {
            "hello": (validator("hello", "request"), validator("hello", "reply")),
            "events": (validator("trainer_event", "request"), validator("trainer_event", "reply")),
            "urls": (validator("urls", "request"), validator("urls", "reply")),
        }
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                plane.webhook(self)

            def do_PUT(self) -> None:
                plane.store(self)

            def do_GET(self) -> None:
                plane.fetch(self)

            def do_DELETE(self) -> None:
                with plane.lock:
                    plane.deleted_pods.append(self.path)
                answer(self, plane.delete_status, None)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeControlPlane:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.clock_offset_seconds, UTC)

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        with self.lock:
            return [event for event in self.events if event["type"] in types]

    def stored(self, prefix: str) -> dict[str, bytes]:
        with self.lock:
            return {
                name.removeprefix(prefix): content
                for name, content in self.files.items()
                if name.startswith(prefix)
            }

    def webhook(self, handler: BaseHTTPRequestHandler) -> None:
        payload = handler.rfile.read(int(handler.headers["content-length"]))
        route = handler.path.rsplit("/", 1)[-1]
        if not self._signed(handler, payload):
            answer(handler, 401, {"error": "bad signature", "code": "bad_signature"}, self.now())
            return
        body = json.loads(payload)
        with self.lock:
            self.requests.append((route, body))
            if self.before_reply:
                self.before_reply(route, body)
            if self.failures:
                answer(handler, self.failures.pop(0), {"error": "made to fail", "code": "made_to_fail"})
                return
            if body.get("fence") != self.fence:
                answer(handler, 409, {"error": "superseded", "code": "stale_attempt"})
                return
            status, reply = self._reply(route, body, len(payload))
        answer(handler, status, reply)

    def _reply(self, route: str, body: dict[str, Any], size: int) -> tuple[int, dict[str, Any]]:
        request_contract, reply_contract = self._contracts[route]
        errors = [
            f"{route}: {error.json_path}: {error.message[:300]}"
            for error in request_contract.iter_errors(body)
        ]
        if size >= 1_000_000:
            errors.append(f"{route}: body of {size} bytes")
        if errors:
            self.problems.extend(errors)
            return 422, {"error": "invalid", "code": "invalid", "details": errors}
        data = {"hello": self._hello, "events": self._take, "urls": self._urls}[route](body)
        reply_contract.validate(data)
        return 200, {"success": True, "data": data}

    def _hello(self, body: dict[str, Any]) -> dict[str, Any]:
        self.hellos.append(body)
        return {
            "incarnation": len(self.hellos),
            "next_sequence": self.next_sequence,
            "checkpoint": self.checkpoint,
            "earlier_checkpoints": self.earlier if self.checkpoint else [],
            "reported_losses": self._reported_losses(),
            **self._common(),
        }

    def _take(self, body: dict[str, Any]) -> dict[str, Any]:
        for offset, event in enumerate(body["events"]):
            if body["first_sequence"] + offset == self.next_sequence:
                self.events.append(event)
                self.next_sequence += 1
                if event["type"] == "checkpoint":
                    known = [*([self.checkpoint] if self.checkpoint else []), *self.earlier]
                    self.earlier = [each for each in known if each["step"] < event["step"]][:2]
                    self.checkpoint = {
                        "step": event["step"],
                        "attempt": body["attempt"],
                        "path": event["path"],
                        "files": event["files"],
                    }
        return {"next_sequence": self.next_sequence, **self._common()}

    def _reported_losses(self) -> list[list[float]]:
        if self.checkpoint is None:
            return []
        known: dict[int, float] = {}
        for event in self.events:
            if event["type"] == "metrics" and event.get("training_loss") is not None:
                known.setdefault(event["step"], event["training_loss"])
        oldest = min(each["step"] for each in (self.checkpoint, *self.earlier))
        return [[step, loss] for step, loss in sorted(known.items()) if step > oldest][:200]

    def _urls(self, body: dict[str, Any]) -> dict[str, Any]:
        uploads = {}
        for wanted in body["uploads"]:
            self._uploads[wanted["path"]] = (wanted["size_bytes"], wanted["sha256"])
            checksum = base64.b64encode(bytes.fromhex(wanted["sha256"])).decode()
            uploads[wanted["path"]] = {
                "method": "PUT",
                "url": f"{self.url}/storage/{wanted['path']}",
                "headers": {"x-amz-checksum-sha256": checksum},
            }
        return {
            "uploads": uploads,
            "downloads": {name: f"{self.url}/storage/{name}" for name in body["downloads"]},
            "expires_in_seconds": 900,
        }

    def _common(self) -> dict[str, Any]:
        return {"command": self.command, "watched": self.watched, "server_time": self.now().isoformat()}

    def _signed(self, handler: BaseHTTPRequestHandler, payload: bytes) -> bool:
        headers = handler.headers
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        if abs(int(timestamp) - self.now().timestamp()) > TOLERANCE_SECONDS:
            return False
        signed = f"{message_id}.{timestamp}.".encode() + payload
        expected = base64.b64encode(hmac.new(self.secret, signed, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(headers["webhook-signature"], f"v1,{expected}")

    def store(self, handler: BaseHTTPRequestHandler) -> None:
        if "content-length" not in handler.headers:
            answer(handler, 411, {"error": "presigned links need a length"})
            return
        length = int(handler.headers["content-length"])
        content = handler.rfile.read(length)
        if len(content) < length:
            # The trainer died in the middle; storage keeps nothing of such a request.
            handler.close_connection = True
            return
        path = handler.path.removeprefix("/storage/")
        if self.on_store:
            self.on_store(path)
        with self.lock:
            if self.storage_failures:
                answer(handler, self.storage_failures.pop(0), {"error": "made to fail"})
                return
            size, sha256 = self._uploads[path]
            checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
            if len(content) != size or handler.headers["x-amz-checksum-sha256"] != checksum:
                self.problems.append(f"{path} does not match what was announced ({sha256})")
                answer(handler, 400, {"error": "checksum"})
                return
            self.files[path] = content
        answer(handler, 200, None)

    def fetch(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.removeprefix("/storage/")
        with self.lock:
            if name.startswith("checkpoint/"):
                name = f"checkpoints/{name.removeprefix('checkpoint/')}"
            content = self.files.get(name)
        if content is None:
            answer(handler, 404, {"error": "no such key"})
            return
        handler.send_response(200)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def answer(
    handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any] | None, date: datetime | None = None
) -> None:
    """Send one JSON reply."""
    content = json.dumps(body).encode() if body is not None else b""
    handler.send_response_only(status)
    handler.send_header("date", email.utils.format_datetime(date or datetime.now(UTC), usegmt=True))
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
