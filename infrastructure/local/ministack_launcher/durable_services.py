"""Correction: the state of the small services (users, parameters, topics, functions, stacks …) survives a
kill.

Stock ministack saves at an orderly stop only. Here a changing request to a service in
ACKNOWLEDGED_ON_DISK is answered after that service's state is on disk, and every other change is saved
within a second or two by a background task, all services of one pass in one transaction, so that a stack
and its resources agree.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Iterable
from typing import Any

from ministack_launcher.patching import require
from ministack_launcher.store import Change, Store

PATCH = "durable services"
EXPECTED_APP = {
    "_build_persistence_save_dict": "9a6393cc953d2f67",
    "_load_persisted_state": "03de3b870e8f811f",
}
EXPECTED_PERSISTENCE = {"_json_default": "495d9abe01cbca19", "_json_object_hook": "645fe967614700ec"}
KIND = "service"

ACKNOWLEDGED_ON_DISK = ("cognito", "secretsmanager", "sns", "ssm")
# Services that keep part of their state in another.
ALSO_CHANGED = {"ses_v2": ("ses",)}
# Log lines are worth neither the memory nor the disk writes that keeping them safe would cost.
SAVED_AT_STOP_ONLY = frozenset({"cloudwatch_logs"})
READING_ACTIONS = ("Get", "List", "Describe", "Head", "Batch", "Query", "Scan", "Search", "Lookup", "Invoke")
SAVE_INTERVAL_SECONDS = 1.0
# A deployment changes services without requests to them: for so long, every pass looks at all.
DEPLOYMENT_SECONDS = 90.0
FULL_PASS_INTERVAL_SECONDS = 60.0

log = logging.getLogger("durable_services")


def _action(headers: dict[str, str], body: bytes) -> str:
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    form = body[:200].decode("latin-1")
    return form.partition("Action=")[2].partition("&")[0]


def is_reading(method: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a request by its shape cannot change state (a wrong no costs one comparison, nothing else)."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return True
    return _action(headers, body).startswith(READING_ACTIONS)


class DurableServices:
    """Ties the services ministack has loaded to a store."""

    def __init__(self, app: Any, persistence: Any, store: Store) -> None:
        self._app = app
        self._persistence = persistence
        self._store = store
        self._saved: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._look_at_all_until = 0.0
        self._full_pass_at = 0.0

    def apply(self) -> None:
        """Replace the loading and saving of state files; call once, before the application starts."""
        require(PATCH, self._app, EXPECTED_APP)
        require(PATCH, self._persistence, EXPECTED_PERSISTENCE)
        self._app.load_state = self._load
        self._app.save_all = lambda _services: self._stop()

    def document(self, name: str) -> Change:
        """The present state of one service as a change."""
        return KIND, name, self._text(name)

    def watch(self, name: str, module: Any) -> None:
        """Notice changing requests to a service, and hold back their replies where it is listed for that."""
        stock = module.handle_request

        async def handle_request(
            method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any
        ) -> Any:
            reply = await stock(method, path, headers, body, *rest)
            if not is_reading(method, headers, body):
                if name in ACKNOWLEDGED_ON_DISK:
                    await self._save([name])
                else:
                    self._dirty.update((name, *ALSO_CHANGED.get(name, ())))
                if name == "cloudformation":
                    self._look_at_all_until = time.monotonic() + DEPLOYMENT_SECONDS
            elif name == "cloudformation":
                await self._save_finished_deployment(reply)
            return reply

        module.handle_request = handle_request

    async def save_for_ever(self) -> None:
        """Save what changed, once a second; a failure is logged and tried again."""
        while True:
            await asyncio.sleep(SAVE_INTERVAL_SECONDS)
            names = self._due(time.monotonic())
            if not names:
                continue
            try:
                await self._save(names)
            except Exception:
                self._dirty.update(names)
                log.exception("The state of %s could not be saved; it is tried again.", ", ".join(names))

    async def _save_finished_deployment(self, reply: Any) -> None:
        """A client that is told a stack is complete may rely on it: save it and its resources first."""
        text = reply[2].decode(errors="replace") if isinstance(reply[2], bytes) else str(reply[2])
        if (
            time.monotonic() < self._look_at_all_until
            and "_COMPLETE<" in text
            and "_IN_PROGRESS<" not in text
        ):
            await self._save(self._all())

    async def _save(self, names: list[str]) -> None:
        changes: list[Change] = []
        for name in names:
            changes += self._changed([name])
            # One service at a time, so that requests are answered in between.
            await asyncio.sleep(0)
        try:
            # Even with no change of our own: another pass may still be writing what it found changed.
            await self._store.put_and_wait(changes)
        except Exception:
            for _, failed, _ in changes:
                self._saved.pop(str(failed), None)
            raise

    def _due(self, now: float) -> list[str]:
        everything = now < self._look_at_all_until or now >= self._full_pass_at
        if now >= self._full_pass_at:
            self._full_pass_at = now + FULL_PASS_INTERVAL_SECONDS
        names = [name for name in self._all() if everything or name in self._dirty]
        self._dirty.clear()
        return names

    def _all(self) -> list[str]:
        # Stacks first: one saved as complete must not be newer than the saved resources it names.
        names = sorted(self._loaded(), key=lambda name: name != "cloudformation")
        return [name for name in names if name not in SAVED_AT_STOP_ONLY]

    def _loaded(self) -> list[str]:
        return list(self._app._build_persistence_save_dict())

    def _text(self, name: str) -> str | None:
        state = self._app._build_persistence_save_dict()[name]()
        return None if state is None else json.dumps(state, default=self._persistence._json_default)

    def _changed(self, names: Iterable[str]) -> list[Change]:
        changes: list[Change] = []
        for name in names:
            text = self._text(name)
            if text is None:
                continue
            digest = hashlib.sha256(text.encode()).hexdigest()
            if self._saved.get(name) != digest:
                self._saved[name] = digest
                changes.append((KIND, name, text))
        return changes

    def _load(self, name: str) -> Any:
        for key, text in self._store.read(KIND):
            if key == name:
                return json.loads(text, object_hook=self._persistence._json_object_hook)
        return None

    def _stop(self) -> None:
        changes = self._changed(self._loaded())
        self._store.put(changes).result()
        self._store.close()
